"""Who says what: one conversation played from `scripts.yaml`, with the labels that follow from how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

from ruamel.yaml import YAML

TOOL_FAILS = 0.06
CALLER_LEAVES = 0.07
ASKS_FOR_A_PERSON = 0.04
LEFT = ("caller_hangup", "abandoned")
ERRORS = ("timeout after 5 s", "upstream answered 503", "record is locked by another session")


@dataclass(frozen=True)
class Turn:
    """Something said. `mood` is the speaker's, for the emotion track."""

    role: str
    text: str
    state: str
    mood: str = "calm"


@dataclass(frozen=True)
class Tool:
    """A tool the agent used."""

    name: str
    state: str
    error: str | None = None
    output: dict[str, Any] = field(default_factory=dict)


@dataclass
class Dialogue:
    """How a conversation went. None: the question does not apply."""

    scenario: dict[str, Any]
    words: dict[str, str]
    beats: list[Turn | Tool] = field(default_factory=list)
    completion_reason: str = "completed"
    sentiment: str | None = None
    resolved: bool | None = None
    empathy: int | None = None
    protocol_followed: bool | None = None
    disclosed: bool | None = None
    verified: bool | None = None
    escalated: bool = False
    escalation_trigger: str | None = None
    operator_active: bool | None = None
    frustrated: bool = False

    @property
    def turns(self) -> list[Turn]:
        """What was said, in order."""
        return [beat for beat in self.beats if isinstance(beat, Turn)]


class _CallerLeftError(Exception):
    """The caller hung up or closed the window."""


@cache
def script() -> dict[str, Any]:
    """The lines and scenarios."""
    text = files("pipeline.sample").joinpath("scripts.yaml").read_text(encoding="utf-8")
    return dict(YAML(typ="safe").load(text))


def words_for(rng: Random, today: datetime) -> dict[str, str]:
    """The particulars of one conversation: people, days, times, amounts."""
    people = {kind: rng.choice(names) for kind, names in script()["people"].items()}
    ahead = sorted(rng.sample(range(2, 16), 3))
    days = [_spoken(_weekday(today + timedelta(days=offset))) for offset in ahead]
    birth = datetime(1938, 1, 1, tzinfo=today.tzinfo) + timedelta(days=rng.randrange(25_000))
    return {
        **people,
        "spelled": "-".join(people["last"].upper()),
        "birth": f"{birth:%B} {birth.day}, {birth.year}",
        "past_day": _spoken(_weekday(today - timedelta(days=rng.randrange(9, 30)))),
        "old_day": days[0],
        "day": days[1],
        "day2": days[2],
        "old_time": _clock(rng),
        "time": _clock(rng),
        "time2": _clock(rng),
        "amount": str(rng.randrange(120, 640)),
        "months": str(rng.choice((3, 4, 6))),
        "reference": f"LH-{rng.randrange(10_000, 99_999)}",
    }


def play(rng: Random, key: str, channel: str, words: dict[str, str]) -> Dialogue:
    """Play one scenario to its end, whatever that turns out to be."""
    dialogue = Dialogue(script()["scenarios"][key], words)
    outbound_call = channel == "voice" and dialogue.scenario.get("outbound")
    if outbound_call and (luck := rng.random()) < 0.28:
        dialogue.completion_reason = "no_answer" if luck < 0.12 else "voicemail"
        if dialogue.completion_reason == "voicemail":
            dialogue.beats.append(Turn("agent", rng.choice(script()["voicemail"]).format(**words), "voicemail"))
        return dialogue
    _Scene(rng, dialogue, channel).play()
    return dialogue


class _Scene:
    """Plays one dialogue; draws from `rng` in a fixed order, so that the same seed plays the same scene."""

    def __init__(self, rng: Random, dialogue: Dialogue, channel: str) -> None:
        self.rng, self.dialogue, self.channel = rng, dialogue, channel
        self.scenario = dialogue.scenario
        self.medium = "voice" if channel == "voice" else "text"
        self.style = rng.choices(("warm", "plain", "curt"), (45, 40, 15))[0]
        self.leaves_at = rng.randrange(2, 7) if rng.random() < CALLER_LEAVES else None
        self.wants_person = rng.random() < ASKS_FOR_A_PERSON
        self.hasty = channel == "sms" and rng.random() < 0.5
        self.user_turns = 0
        self.care = 0
        self.insured: bool | None = None
        self.next_steps = False

    def play(self) -> None:
        dialogue = self.dialogue
        dialogue.resolved = False
        dialogue.verified = False if self.scenario.get("verify", True) else None
        try:
            self._open()
            if self.scenario.get("verify", True):
                self._verify()
            if self.scenario.get("insurance"):
                self._insurance()
            self._matter()
        except _CallerLeftError:
            dialogue.completion_reason = LEFT[self.channel != "voice"]
        self._label()

    def _open(self) -> None:
        greeting = self.scenario.get("greeting") or script()["greeting"][self.medium]
        parts = [self._line(greeting)]
        self.dialogue.disclosed = self.rng.random() < 0.95
        if self.dialogue.disclosed:
            parts.append(self._line(script()["disclosure"][self.medium]))
        if not self.scenario.get("outbound"):
            parts.append(self._line(script()["how_can_i_help"]))
        self._agent("greeting", *parts)
        sour = self.scenario.get("mood") == "sour" and self.rng.random() < 0.5
        self.dialogue.frustrated = sour
        mood = "frustrated" if sour else "anxious" if self.scenario.get("risk") else "calm"
        self._user("intent", self._line(self.scenario["ask"]), mood)

    def _verify(self) -> None:
        lines = script()["verification"]
        if self.rng.random() < 0.05:
            return  # the agent forgets: the protocol is not followed
        outbound = "_outbound" if self.scenario.get("outbound") else ""
        opening = self._care() if self.dialogue.frustrated else "" if outbound else self._tone("tone")
        self._agent("verification", opening, self._line(lines[f"ask{outbound}"]))
        self._user("verification", self._line(lines[f"answer{outbound}"]))
        if self.rng.random() < 0.07:
            self._tool("verify_identity", "verification", {"match": False})
            self._agent("verification", self._line(lines["ask_again"]))
            self._user("verification", self._line(lines["answer_again"]))
        self._tool("verify_identity", "verification", {"match": True})
        self.dialogue.verified = True

    def _insurance(self) -> None:
        self.insured = self.rng.random() < 0.9
        if self.insured:
            found = self._line(script()["verification"]["found"]) if self.dialogue.verified else ""
            self._agent("insurance", found, self._line(script()["insurance"]["ask"]))
            self._user("insurance", self._line(script()["insurance"]["answer"]))

    def _matter(self) -> None:
        greeted = self.insured or not self.dialogue.verified or self.scenario.get("outbound")
        if self.scenario.get("escalate"):
            return self._hand_over(self._line(self.scenario["urgent"]))
        for step in self.scenario["steps"]:
            if "tool" in step and not self._try(step):
                return None
            if "agent" in step:
                found = "" if greeted else self._line(script()["verification"]["found"])
                greeted = True
                self._agent(step["state"], found, self._line(step["agent"]))
                if self.wants_person:
                    self._user(step["state"], self._line(script()["handoff"]["request"]), self._mood())
                    return self._hand_over(self._line(script()["handoff"]["agent"]), "caller")
                self._user(step["state"], self._line(step["user"]))
        brief = self.scenario.get("brief", False)
        opening, more = ("", "") if brief else (self._tone("relief"), self._line(script()["anything_else"]))
        self._agent("wrap_up", opening, self._line(self.scenario["done"]), more)
        self.dialogue.resolved = self.next_steps = True
        return None if brief else self._close()

    def _try(self, step: dict[str, Any]) -> bool:
        """Use a step's tool, once more when it fails; false when the matter ends here."""
        if self._tool(step["tool"], step["state"]):
            return True
        trouble = script()["trouble"]
        self._agent(step["state"], self._line(trouble["tool"]))
        if self.rng.random() < 0.6:
            self.dialogue.frustrated = True
            self._user(step["state"], self._line(trouble["user"]), "frustrated")
            self._agent(step["state"], self._care())
        if self._tool(step["tool"], step["state"], fails=0.45):
            return True
        if self.rng.random() < 0.7:
            self._hand_over(self._line(script()["handoff"]["agent"]))
        else:
            self._agent("callback", self._line(trouble["give_up"]))
            self._user("callback", self._line(trouble["give_up_answer"]), self._mood())
            self.next_steps = True
            self._agent("goodbye", self._line(script()["goodbye"]))
        return False

    def _hand_over(self, announcement: str, trigger: str = "ai") -> None:
        lines, dialogue = {**script()["handoff"], **self.scenario.get("handoff", {})}, self.dialogue
        self._agent("handoff", announcement)
        self._tool("transfer_to_human", "handoff", fails=0)
        dialogue.escalated = self.next_steps = True
        dialogue.escalation_trigger = trigger
        dialogue.operator_active = self.rng.random() < 0.78 or "handoff" in self.scenario
        if not dialogue.operator_active:
            dialogue.completion_reason = "escalated"
            self._agent("handoff", self._line(lines["nobody"]))
            return
        dialogue.completion_reason = "warm_transfer_completed"
        self._say("operator", "handoff", self._line(lines["operator"]))
        self._user("handoff", self._line(lines[f"user_{self._mood()}"]), self._mood())
        dialogue.resolved = self.rng.random() < 0.75
        self._say("operator", "handoff", self._line(lines["fixed" if dialogue.resolved else "not_fixed"]))
        reply = lines["thanks"] if dialogue.resolved else lines["disappointed"]
        self._user("handoff", self._line(reply), "pleased" if dialogue.resolved else "frustrated")

    def _close(self) -> None:
        sour = self.dialogue.frustrated and self.care < 1
        pleased = not self.dialogue.frustrated and self.rng.random() < 0.55
        kind = "sour" if sour else "pleased" if pleased else "neutral"
        self.dialogue.sentiment = {"sour": "negative", "pleased": "positive", "neutral": "neutral"}[kind]
        mood = {"sour": "frustrated", "pleased": "pleased", "neutral": "calm"}[kind]
        self._user("wrap_up", self._line(script()["nothing_else"][kind]), mood)
        self._agent("goodbye", self._line(script()["goodbye"]))

    def _label(self) -> None:
        dialogue = self.dialogue
        if dialogue.sentiment is None:
            unhappy = dialogue.frustrated or (dialogue.escalated and not dialogue.resolved)
            relieved = dialogue.escalated and dialogue.resolved
            dialogue.sentiment = "positive" if relieved else "negative" if unhappy else "neutral"
        base = {"warm": 8, "plain": 6, "curt": 4}[self.style]
        dialogue.empathy = max(1, min(10, base + self.care + self.rng.choice((-1, 0, 0, 1))))
        if dialogue.completion_reason not in LEFT:
            dialogue.protocol_followed = bool(
                dialogue.disclosed and dialogue.verified is not False and self.insured is not False and self.next_steps
            )

    def _line(self, choices: list[str]) -> str:
        return str(self.rng.choice(choices)).format(**self.dialogue.words)

    def _tone(self, kind: str) -> str:
        return self._line(script()[kind][self.style])

    def _care(self) -> str:
        soothes = self.style == "warm" or (self.style == "plain" and self.rng.random() < 0.6)
        self.care += 1 if soothes else -2
        return self._line(script()["trouble"]["soothe" if soothes else "brush_off"])

    def _mood(self) -> str:
        return "frustrated" if self.dialogue.frustrated else "calm"

    def _agent(self, state: str, *parts: str) -> None:
        self._say("agent", state, " ".join(part for part in parts if part))

    def _user(self, state: str, text: str, mood: str = "calm") -> None:
        if self.user_turns == self.leaves_at:
            raise _CallerLeftError
        self.user_turns += 1
        if self.channel == "voice" and self.rng.random() < 0.12:
            text = f"{self.rng.choice(('Um...', 'Uh,', 'Well,'))} {text}"
        elif self.hasty:
            text = text.lower().rstrip(".")
        self._say("user", state, text, mood)

    def _say(self, role: str, state: str, text: str, mood: str = "calm") -> None:
        self.dialogue.beats.append(Turn(role, text, state, mood))

    def _tool(self, name: str, state: str, output: dict[str, Any] | None = None, fails: float = TOOL_FAILS) -> bool:
        error = self.rng.choice(ERRORS) if self.rng.random() < fails else None
        if output is not None:
            error = None
        self.dialogue.beats.append(Tool(name, state, error, output or {}))
        return error is None


def _weekday(day: datetime) -> datetime:
    """The day, or the Monday after it when it falls on a weekend."""
    return day + timedelta(days=8 - day.isoweekday() if day.isoweekday() > 5 else 0)


def _spoken(day: datetime) -> str:
    return f"{day:%A}, {day:%B} {day.day}"


def _clock(rng: Random) -> str:
    hour, minute = rng.randrange(8, 18), rng.choice(("00", "15", "30", "45"))
    return f"{hour if hour < 13 else hour - 12}:{minute} {'am' if hour < 12 else 'pm'}"
