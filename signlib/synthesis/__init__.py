"""A signing world whose answers we know, so that nothing has to be downloaded.

seeding      names -> independent random generators
signers      who signs: proportions, speed, accent, camera, noise
signs        what is signed: phonology, and lexicons with minimal pairs
motion       minimum-jerk profiles, two-bone arms, hands within joint limits
face         468 face points in 3-D, with mouth, brows and lids that move
performance  signs and a signer -> 543 points in metres
camera       metres -> what a landmark extractor would report, with drop-outs
clips        the corpus: a manifest and a clip for each of its names
portrait     a short real-looking film from a public-domain photograph
"""
