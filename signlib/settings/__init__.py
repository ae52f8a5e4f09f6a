"""What can be set: default, meaning and limit of every value in one place; nothing runs here.

base          what every experiment can set: data, features; `Settings`, `Preset`
training      how a model is fitted, what is varied in training clips
landmarks     signs from landmarks: the encoder, its presets
baseline      untuned readers of a clip's numbers
modalities    colour, depth and landmarks together
frozen        the classifier on frozen visual features
graph         graph networks on whole bodies
phonology     readable features, and pre-training on them
sentences     continuous recognition
registry      one row a task: its settings, its presets, where its code lies
presets       the settings of a named experiment
config        building, checking, reading and writing settings
fields        how a setting is declared
values        from text to values
aliases       words of earlier versions
"""
