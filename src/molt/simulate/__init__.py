"""Does rotation help? Attackers against the lifetimes that a policy gives to pods. Pure; all times are in seconds.

    lifetimes  the lifetimes of a RotationPolicy, and what peers do at the same mean
    counts     how many steps of an attack fit into a pod's life: Poisson counts over a random time
    attackers  memoryless, kill chain, persistent, clock-seeing: what an attack needs, and what a move takes from it
    exact      chance, time to compromise and dwell in closed form
    epochs     the same and more from a million lives of pods, drawn at random
    report     both, for every attacker and all the lifetimes that are compared
    figure     the report as a PNG or SVG

docs/simulation.md has the models, the formulas with their sources, and what they do not say. Needs numpy, and `figure`
matplotlib: the extra `simulate`.
"""
