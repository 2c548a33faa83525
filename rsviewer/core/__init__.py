"""Values and arithmetic. numpy only: no input or output, no threads, no clock."""
