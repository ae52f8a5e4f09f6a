"""The course: notebooks that run headless, follow the same rules and end on one page.

parameters  what a notebook's parameters cell declares, and values checked against it
notebook    run one notebook; what came out, or where it stopped
runner      the whole course (`python -m signlib.course`); renew its stored outputs (`--update`)
page        results/course.html: each notebook's question, verdict, figure, table and cost
rules       what every notebook of the course keeps to
stored      the normal form of the outputs that are kept in git
__main__    the door of `python -m signlib.course`
"""
