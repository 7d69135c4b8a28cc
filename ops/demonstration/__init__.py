"""The demo: all of Feedline at work on real parts, and the proof that it did what it promises.

`scenario.py` makes up an upstream, `model.py` says what must come of it, `surroundings.py` starts everything, `play.py` runs it,
`proof.py` compares. What is expected is worked out here from what was published, with nothing of Feedline's own.
"""
