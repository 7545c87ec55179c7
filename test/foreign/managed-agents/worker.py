"""Starts the worker of the Python SDK like its users do."""

import asyncio
import os

from anthropic import AsyncAnthropic


async def main() -> None:
    key = os.environ["ENVIRONMENT_KEY"]
    # Older versions download skills with the client's credential.
    async with AsyncAnthropic(auth_token=key) as client:
        worker = client.beta.environments.work.worker(
            environment_id=os.environ["ENVIRONMENT_ID"],
            environment_key=key,
            workdir=os.environ["WORKDIR"],
            max_idle=1.0,
        )
        print("polling", flush=True)
        await worker.run()


asyncio.run(main())
