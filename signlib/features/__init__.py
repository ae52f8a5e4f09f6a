"""Numbers from landmarks.

normalise   signer-centred, scale-free points; gaps; mirroring
actors      who acts in a clip of skeletons, and the axes they are seen in
streams     joints, bones and how both move
kinematics  angles, openings and speeds of hands
dynamics    position, velocity, acceleration of everything: 6,516 features a frame
phonology   thirty-six numbers that a linguist can read
reduce      principal components, fitted on training clips
oddities    jumps, clips of one frame, clips without hands
novelty     what training clips were like, and how a new clip differs
"""
