"""What the command line does, over any task.

experiment   settings -> clips -> model -> training -> test -> run
sweep        presets x random seeds -> runs
search       settings chosen on validation clips -> runs
early        what can be refused before torch is loaded
warm_start   what another run gives to a run that starts from it
estimate     what a run will cost, before it starts
sizes        how large every preset's model is
prediction   a trained run put to work on clips of one's own
extraction   what a person has -> a store
baseline     baselines on the clips and features of other settings
"""
