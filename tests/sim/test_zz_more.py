import tests.sim.test_plant as t
from hypothesis import settings
for name in ("test_any_plant_keeps_its_budget_and_moves","test_after_any_accident_work_resumes","test_any_frozen_replica_adds_at_most_a_window_and_a_batch"):
    f=getattr(t,name)
    f._hypothesis_internal_use_settings=settings(max_examples=600,deadline=None,derandomize=False,database=None)
    globals()[name]=f
