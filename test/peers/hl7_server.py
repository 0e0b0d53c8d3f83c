"""An HL7 server on python-hl7's asyncio streams: prints its port, then one line of JSON for each message it takes."""

import asyncio
import json

from hl7.mllp import start_hl7_server


async def converse(reader, writer):
    while not reader.at_eof():
        try:
            message = await reader.readmessage()
        except asyncio.IncompleteReadError:
            break
        name = message.segment("PID")(5)
        print(json.dumps({"name": message.unescape(str(name)), "id": str(message.segment("MSH")(10))}), flush=True)
        writer.writemessage(message.create_ack())
        await writer.drain()
    writer.close()


async def main():
    server = await start_hl7_server(converse, "127.0.0.1", 0, encoding="utf-8")
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
