"""What is measured: a module for each row of the table of goals."""
