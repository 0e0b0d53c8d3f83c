/** Other people's HL7 stacks, each as a server that acknowledges what it can read and as a client that waits for its answer. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import {
  type Hl7Connection,
  type Hl7MessageEvent,
  Hl7Client as MedplumClient,
  Hl7Server as MedplumServer,
} from '@medplum/hl7';
import { Client, Message } from 'node-hl7-client';
import { Server } from 'node-hl7-server';
import { freePort } from '../harness/ports.ts';

// biome-ignore lint/suspicious/noExplicitAny: the package has no types
const simple: any = createRequire(import.meta.url)('simple-hl7');
/** Of the version that `@medplum/hl7` brings with it. */
const { Hl7Message } = createRequire(createRequire(import.meta.url).resolve('@medplum/hl7'))('@medplum/core');

export interface ForeignServer {
  port: number;
  /** MSH-10 and PID-5, as the stack reads it, of each message in the order of arrival. */
  taken: { id: string; name: string }[];
  close(): Promise<void>;
}

export interface Stack {
  serve(): Promise<ForeignServer>;
  /** Sends a message and resolves with the acknowledgement as the stack hands it on. */
  send(port: number, message: string): Promise<string>;
}

type Taken = ForeignServer['taken'];

const LOOPBACK = '127.0.0.1';

export const nodeHl7: Stack = {
  async serve() {
    const taken: Taken = [];
    const port = await freePort();
    const inbound = new Server({ bindAddress: LOOPBACK }).createInbound({ port }, async (request, response) => {
      const message = request.getMessage();
      taken.push({ id: message.get('MSH.10').toString(), name: message.get('PID.5').toString() });
      await response.sendResponse('AA');
    });
    await once(inbound, 'listen');
    return { port, taken, close: async () => void (await inbound.close()) };
  },
  async send(port, text) {
    const client = new Client({ host: LOOPBACK });
    const { promise, resolve } = Promise.withResolvers<string>();
    const connection = client.createConnection({ port }, async (response) => {
      resolve(response.getMessage().toString());
    });
    await connection.sendMessage(new Message({ text }));
    const ack = await promise;
    await connection.close();
    return ack;
  },
};

/** `isEnhanced`: commits to every message before its application acknowledges it. */
function medplumOf(isEnhanced: boolean): Stack {
  return {
    async serve() {
      const taken: Taken = [];
      const port = await freePort();
      const server = new MedplumServer((connection: Hl7Connection) =>
        connection.addEventListener('message', ({ message }: Hl7MessageEvent) => {
          taken.push({
            id: message.getSegment('MSH')?.getField(10).toString() ?? '',
            name: message.getSegment('PID')?.getField(5).toString() ?? '',
          });
          connection.send(message.buildAck());
        }),
      );
      await server.start(port, 'utf-8', isEnhanced);
      return { port, taken, close: () => server.stop({ forceDrainTimeoutMs: 100 }) };
    },
    async send(port, text) {
      const client = new MedplumClient({ host: LOOPBACK, port });
      const ack = await client.sendAndWait(Hl7Message.parse(text));
      await client.close();
      return ack.toString();
    },
  };
}

export const medplum = medplumOf(false);
export const medplumEnhanced = medplumOf(true);

export const simpleHl7: Stack = {
  async serve() {
    const taken: Taken = [];
    const app = simple.tcp();
    // biome-ignore lint/suspicious/noExplicitAny: the package has no types
    app.use((request: any, response: any) => {
      const { msg } = request;
      taken.push({ id: String(msg.header.getField(8)), name: String(msg.getSegment('PID').getField(5)) });
      response.end();
    });
    app.start(0);
    const { server } = app.server;
    if (!server.listening) await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    return { port, taken, close: () => new Promise((resolve) => server.close(() => resolve())) };
  },
  async send(port, text) {
    const client = simple.Server.createTcpClient(LOOPBACK, port);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    client.send(new simple.Parser().parse(text), (error: Error | null, ack: unknown) =>
      error ? reject(error) : resolve(String(ack)),
    );
    return promise;
  },
};

/** Debian's: a package of another Python would be another one. */
const PYTHON = '/usr/bin/python3';

export const pythonHl7: Stack = {
  async serve() {
    const taken: Taken = [];
    const script = fileURLToPath(new URL('hl7_server.py', import.meta.url));
    const child = spawn(PYTHON, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout);
    const [port] = await once(lines, 'line');
    lines.on('line', (line) => taken.push(JSON.parse(line)));
    const ended = once(child, 'close');
    return {
      port: Number(port),
      taken,
      async close() {
        child.kill();
        await ended;
      },
    };
  },
  async send(port, text) {
    // From its input it would read text, and then ask for bytes.
    const folder = await mkdtemp(join(tmpdir(), 'mllp-'));
    const file = join(folder, 'message');
    await writeFile(file, `\x0b${text}\x1c\r`);
    const args = ['--port', String(port), '--file', file, LOOPBACK];
    const child = spawn('mllp_send', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const output = await child.stdout.toArray();
    await rm(folder, { recursive: true });
    return Buffer.concat(output).toString();
  },
};
