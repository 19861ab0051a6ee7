"""How fresh streamed answers are in Slack, simulated on a virtual clock.

A *policy* decides which call is made when: the program's own (`ours`) or the rule of a
peer (`peers`). Each gets the same questions (`load`), the same Slack with the sandbox's
own limiter (`slack`), and is judged by what people would have seen (`measures`).
"""
