"""What runs alongside the jobs of a process, and ends with them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio


async def run_with_background(
    main: Callable[[], Awaitable[int]], *others: Callable[[], Coroutine[Any, Any, None]]
) -> int:
    """Run `main` alongside the others, which end with it; return its exit code.

    An error of one of them ends all of them and is raised as itself, not in a group.
    """
    code = 1
    try:
        async with anyio.create_task_group() as tasks:
            for other in others:
                tasks.start_soon(other)
            code = await main()
            tasks.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return code
