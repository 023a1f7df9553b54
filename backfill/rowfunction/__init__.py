"""A row function in a process of its own: the function (`call`), the process (`child`), our side (`process`)."""
