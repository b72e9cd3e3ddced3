"""Speed and memory beside other libraries: `python -m tests.benchmarks`.

engines     the libraries that are compared
work        one piece of work done by one library, and the check that all compute the same
chain, scalar, filling, training, optimizing      the work whose time is taken
fitting     whole fits: their time, and how good the results are
memory, importing, installed          what is measured in fresh processes, or on disk
timing      interleaved repetitions; `worker` takes the times of one thread count in a process of its own
targets, report                       what is to be reached, and the tables
"""
