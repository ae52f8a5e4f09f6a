"""The course: notebooks that run headless, follow the same rules and end on one page.

notebook    run one notebook with checked parameters; what came out, or where it stopped
runner      the whole course (`python -m signlib.course`), and renewing its stored outputs
(`--update`) page        results/course.html: each notebook's question, verdict, figure, table and
cost rules       what every notebook of the course keeps to stored      the normal form of the
outputs that stand in git
"""
