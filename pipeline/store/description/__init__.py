"""What the database says about itself: comments on every table and column, and views for people who query it.

`migrations` applies these files again whenever one of them changes.
"""
