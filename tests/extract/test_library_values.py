"""What metrics of the library say about conversations that were written for them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.catalog import load_catalog

MACHINES = {
    "en": "Hi, you've reached the voicemail of Kim. Please leave a message after the tone.",
    "en_carrier": "Your call has been forwarded to an automated voice messaging system. At the tone, speak.",
    "en_curly": "Sorry, I can\u2019t come to the phone right now.",
    "en_full": "The mailbox is full and cannot accept any messages at this time. Goodbye.",
    "es": "En este momento no puedo atenderle. Deje su mensaje despu\u00e9s de la se\u00f1al.",
    "fr": "Bonjour, vous \u00eates sur la messagerie vocale de Luc, laissez un message apr\u00e8s le bip.",
    "de": "Der Teilnehmer ist zurzeit nicht erreichbar. Bitte hinterlassen Sie eine Nachricht nach dem Signalton.",
    "it": "Risponde la segreteria telefonica. Lasciate un messaggio dopo il segnale acustico.",
    "pt": "Sua chamada est\u00e1 sendo encaminhada para a caixa postal. Deixe sua mensagem ap\u00f3s o sinal.",
    "nl": "Ik ben er even niet. Spreek een bericht in na de piep.",
    "pl": "Zostaw wiadomo\u015b\u0107 po sygnale.",
    "ru": "\u041e\u0441\u0442\u0430\u0432\u044c\u0442\u0435 \u0441\u043e\u043e\u0431\u0449\u0435\u043d\u0438\u0435 \u043f\u043e\u0441\u043b\u0435 \u0441\u0438\u0433\u043d\u0430\u043b\u0430.",  # noqa: E501
    "ja": "\u305f\u3060\u3044\u307e\u96fb\u8a71\u306b\u51fa\u3089\u308c\u307e\u305b\u3093\u3002\u767a\u4fe1\u97f3\u306e\u5f8c\u306b\u304a\u8a71\u3057\u304f\u3060\u3055\u3044\u3002",  # noqa: E501
    "zh": "\u60a8\u6240\u62e8\u6253\u7684\u7528\u6237\u6682\u65f6\u65e0\u6cd5\u63a5\u542c\uff0c\u8bf7\u5728\u63d0\u793a\u97f3\u540e\u7559\u8a00\u3002",  # noqa: E501
    "ko": "\uc74c\uc131 \uc0ac\uc11c\ud568\uc73c\ub85c \uc5f0\uacb0\ub429\ub2c8\ub2e4. \uc090 \uc18c\ub9ac\uac00 \ub098\uba74 \ub9d0\uc500\ud574 \uc8fc\uc138\uc694.",  # noqa: E501
}
PEOPLE = {
    "wants_message": "Can I leave a message for Doctor Patel?",
    "got_voicemail": "I got your voicemail yesterday and I am calling back.",
    "ring_tone": "There is no dial tone on my phone.",
    "de": "Ich h\u00e4tte gern eine Nachricht an die \u00c4rztin geschickt.",
    "es": "Quiero dejar un recado para el doctor.",
}
SCREENS = {
    "google": "Hi, the person you're calling is using a screening service from Google. Please say your name and why.",
    "ios": "Hi, if you record your name and reason for calling, I'll see if this person is available.",
    "es": "Por favor, indique su nombre y el motivo de su llamada.",
    "de": "Bitte nennen Sie Ihren Namen und den Grund Ihres Anrufs.",
}


@pytest.fixture
def library(bench: Any) -> Any:
    """A store with the shipped catalog; `run(*keys)` extracts some of it."""
    bench.catalog = load_catalog(bench.settings)
    assert not bench.catalog.errors
    return bench


def called(library: Any, **lines: list[tuple[str, str]]) -> None:
    for conversation, turns in lines.items():
        library.add(library.event(conversation, "session.start", channel="voice"), library.said(conversation, *turns))


def test_voicemail_is_heard_in_twelve_languages_and_not_in_people(library: Any) -> None:
    called(
        library,
        **{f"machine_{name}": [("user", text)] for name, text in MACHINES.items()},
        **{f"person_{name}": [("agent", "Hello?"), ("user", text)] for name, text in PEOPLE.items()},
    )
    library.run(keys=["voicemail_detected", "voicemail_greeting_heard"])
    expected = {f"machine_{name}": True for name in MACHINES} | {f"person_{name}": False for name in PEOPLE}
    assert library.values("voicemail_greeting_heard") == expected
    assert library.values("voicemail_detected") == expected


def test_a_voicemail_is_known_by_the_reason_too_and_gates_the_message(library: Any) -> None:
    message = "Hello, this is Riverside Clinic calling about your visit tomorrow."
    called(
        library,
        left=[("user", MACHINES["en"]), ("agent", message)],
        hung_up=[("user", MACHINES["en"]), ("agent", "Hello?")],
        person=[("user", "Hello?"), ("agent", message)],
    )
    library.add(library.event("silent", "agent.turn", channel="voice", text=message))
    library.add(library.event("silent", "session.end", 1, completion_reason="voicemail", reason="voicemail"))
    library.run(keys=["voicemail_agent_left_message"])
    assert library.values("voicemail_detected") == {"left": True, "hung_up": True, "person": False, "silent": True}
    assert library.values("voicemail_agent_left_message") == {
        "left": True, "hung_up": False, "person": "not_applicable", "silent": True
    }  # fmt: skip


def test_call_screening(library: Any) -> None:
    called(library, **{name: [("user", text)] for name, text in SCREENS.items()}, person=[("user", "Who is this?")])
    library.run(keys=["call_screening_encountered"])
    assert library.values("call_screening_encountered") == dict.fromkeys(SCREENS, True) | {"person": False}


def test_disclosures_and_claims(library: Any) -> None:
    called(
        library,
        machine=[("agent", "I\u2019m the virtual assistant of Riverside."), ("user", "Are you a robot?"),
                 ("agent", "Yes, I am an automated assistant.")],
        liar=[("agent", "Riverside, good morning."), ("user", "Am I talking to a robot?"),
              ("agent", "No, I'm a real person.")],
        unasked=[("agent", "This call may be recorded."), ("user", "Fine, I sell robots.")],
        japanese=[("agent", "\u3053\u3061\u3089\u306fAI\u30a2\u30b7\u30b9\u30bf\u30f3\u30c8\u3067\u3059\u3002")],
    )  # fmt: skip
    keys = ("ai_disclosed", "ai_disclosed_when_asked", "human_claimed", "recording_disclosure")
    library.run(keys=list(keys))
    found = {key: library.values(key) for key in keys}
    assert found["ai_disclosed"] == {"machine": True, "liar": False, "unasked": False, "japanese": True}
    assert found["ai_disclosed_when_asked"] == {
        "machine": True, "liar": False, "unasked": "not_applicable", "japanese": "not_applicable"
    }  # fmt: skip
    assert [name for name, value in found["human_claimed"].items() if value] == ["liar"]
    assert [name for name, value in found["recording_disclosure"].items() if value] == ["unasked"]


def test_words_that_must_not_be_said(library: Any) -> None:
    called(
        library,
        rude=[("agent", "Don't be an idiot.")],
        caller=[("user", "This is bullshit."), ("agent", "I am sorry. Scunthorpe and Dickens are fine words.")],
        card=[("agent", "Your card is 4111 1111 1111 1111.")],
        ssn=[("agent", "Is 123-45-6789 right?")],
        phone=[("agent", "Call us on 555 010 4477, reference LH-20931, at 10:45.")],
    )
    library.run(keys=["compliance_prohibited_language", "caller_profanity", "pii_spoken"])
    said = {key: [name for name, value in library.values(key).items() if value] for key in (
        "compliance_prohibited_language", "caller_profanity", "pii_spoken")}  # fmt: skip
    assert said["compliance_prohibited_language"] == ["rude"]
    assert said["caller_profanity"] == ["caller"]
    assert sorted(said["pii_spoken"]) == ["card", "ssn"]


def test_cues_that_a_conversation_goes_wrong(library: Any) -> None:
    called(
        library,
        bad=[("user", "Can you repeat that?"), ("agent", "Sorry, I didn't catch that."),
             ("user", "I said: let me speak to a human."), ("agent", "Could you say that again?"),
             ("user", "Wie bitte? Ich m\u00f6chte mit einem Menschen sprechen.")],
        good=[("user", "My daughter is a human resources manager."), ("agent", "Congratulations.")],
    )  # fmt: skip
    library.run(keys=["human_requested", "caller_repeat_request_count", "agent_reprompt_count"])
    assert library.values("human_requested") == {"bad": True, "good": False}
    assert library.values("caller_repeat_request_count") == {"bad": 2, "good": 0}
    assert library.values("agent_reprompt_count") == {"bad": 2, "good": 0}


def test_where_forms_are_given_up(library: Any) -> None:
    def form(name: str, *events: tuple[str, dict[str, Any]]) -> None:
        library.add(
            library.event(name, f"surface.{kind}", minute, domain="surface", channel="surface", **data)
            for minute, (kind, data) in enumerate(events)
        )

    name, address = ("field_saved", {"field_key": "name"}), ("field_saved", {"field_key": "address"})
    form("submitted", ("created", {}), ("opened", {}), name, address, ("submitted", {}))
    form("given_up", ("created", {}), ("opened", {}), name, address)
    form("looked_at", ("created", {}), ("opened", {}))
    form("unopened", ("created", {}))
    library.run(keys=["surface_dropoff_field", "surface_fields_completed"])
    assert library.values("surface_abandoned") == {
        "submitted": False, "given_up": True, "looked_at": True, "unopened": "missing"
    }  # fmt: skip
    assert library.values("surface_dropoff_field") == {
        "submitted": "not_applicable", "given_up": "address", "looked_at": "missing", "unopened": "not_applicable"
    }  # fmt: skip
    assert library.values("surface_fields_completed") == {
        "submitted": 2, "given_up": 2, "looked_at": 0, "unopened": "not_applicable"
    }  # fmt: skip


def test_judged_metrics_ask_nothing_where_what_they_need_is_absent(library: Any) -> None:
    library.add(library.said("plain", ("user", "Hello"), ("agent", "Hello")))
    needy = [
        metric.key
        for metric in library.catalog.metrics
        if metric.definition.judged and (metric.definition.source_filter or "").endswith(" IS NOT NULL")
    ]
    assert len(needy) > 10
    report = library.run(keys=needy)
    assert {key: library.values(key) for key in needy} == {key: {"plain": "not_applicable"} for key in needy}
    assert sum(outcome.calls for outcome in report.outcomes) == 0


def test_a_call_in_numbers(library: Any) -> None:
    """Agent 0 to 2 s, caller 3 to 5 s, agent 6.5 to 10.5 s, caller 9.5 to 12.5 s, who is given way to."""
    seconds = 1 / 60
    library.add(
        library.event("call", "session.start", 0, channel="voice"),
        library.event("call", "agent.turn", 0, text="Good morning, how can I help?", duration_ms=2_000),
        library.event("call", "user.turn", 3 * seconds, text="I want to book.", duration_ms=2_000),
        library.event("call", "tool.call", 5.2 * seconds, name="find_slots", call_id="1"),
        library.event("call", "tool.result", 6 * seconds, name="find_slots", call_id="1", succeeded=True,
                      duration_ms=800),
        library.event("call", "agent.turn", 6.5 * seconds, text="There is a place on Monday or", duration_ms=4_000,
                      tokens_in=900, tokens_out=12, cost_usd=0.002, model="m"),
        library.event("call", "user.turn", 9.5 * seconds, text="Monday is fine, thank you.", duration_ms=3_000),
        library.event("call", "session.end", 20 * seconds, reason="completed"),
    )  # fmt: skip
    expected = {
        "response_time": 1_500,
        "p95_response_ms": 1_500,
        "time_to_first_word": 0,
        "longest_pause": 1.5,
        "silence_duration": 20 - 10,
        "talk_time": 11_000,
        "word_count": 6 + 4 + 7 + 5,
        "talk_to_listen_ratio": 6 / 5,
        "talk_ratio": 6 / 11,
        "overtalk_ratio": 1 / 10,
        "agent_interruption_count": 0,
        "interruption_count": 1,
        "interruption_score": 5,
        "first_interruption_time": 9.5,
        "stop_time_after_interruption": 1_000,
        "failed_barge_in_count": 0,
        "speaking_rate": 13 / 6 * 60,
        "repetition_count": 0,
        "tool_latency": 800,
        "conversation_cost": 0.002,
        "tokens_in": 900,
        "agent_containment": True,
        "transfer_outcome": "not_applicable",
    }
    library.run(keys=[*expected, "tools_used"])
    assert library.values("tools_used") == {"call": ["find_slots"]}
    assert {key: library.values(key)["call"] for key in expected} == pytest.approx(expected)
    assert library.below("response_time") == [("call", "agent", 0, "missing", None), ("call", "agent", 2, "ok", 1_500)]
    assert library.below("word_count") == [("call", "agent", None, "ok", 13), ("call", "user", None, "ok", 9)]
