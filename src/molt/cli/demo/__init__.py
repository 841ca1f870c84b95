"""`molt demo`: the main job from start to end, on this machine, checked as it goes."""
