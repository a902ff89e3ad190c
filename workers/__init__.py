"""Ray actors and tasks around the tuner: builder, measurer, recorder."""
