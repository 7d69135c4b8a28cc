"""How fast Feedline is, as ratios to baselines that run beside it: `ops/bench`."""
