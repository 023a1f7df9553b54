"""The campaign of faults: whatever happens to workers, servers, links and tables, the same end state.

`python -m tests.chaos --rounds 200 --seed 1`; the smaller run is tests/acceptance/test_chaos.py.
"""
