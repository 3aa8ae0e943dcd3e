"""Where lines come from: files through rotation, standard input, Beats."""
