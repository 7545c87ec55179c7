"""The worker of the Python SDK as its users start it."""

import asyncio
import os

from anthropic import AsyncAnthropic


async def main() -> None:
    # Its calls take the environment's key or the item's own token.
    async with AsyncAnthropic(auth_token="unused") as client:
        worker = client.beta.environments.work.worker(
            environment_id=os.environ["ENVIRONMENT_ID"],
            environment_key=os.environ["ENVIRONMENT_KEY"],
            workdir=os.environ["WORKDIR"],
            max_idle=1.0,
        )
        print("polling", flush=True)
        await worker.run()


asyncio.run(main())
