"""How sure a number is: intervals, tests, and what a plan could show.

intervals      of a share or a mean; clips, sentences, seeds or whole groups drawn again; signs
variation      a difference over clips, signers, seeds or seeds and signers; sign flips
error_rates    a word error rate, and two of them: sentences drawn again, or their segments
paired         two systems on the same clips: exact McNemar, by signer, Holm
seed_tests     two systems over seeds: Welch, Mann-Whitney, effect sizes; over several corpora
distributions  scores of seeds beyond the mean: middle half, profile, stochastic order
two_systems    two systems by all tests that fit, and the verdict in words
power          what a plan can show, and how many seeds, clips and signers it takes
"""
