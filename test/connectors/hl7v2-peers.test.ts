import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { OutcomeUnknown, type WireMessage } from '../../src/connectors/connector.ts';
import { hl7v2ConfigSchema } from '../../src/connectors/hl7v2/config.ts';
import { listen } from '../../src/connectors/hl7v2/listener.ts';
import { composeMessage, parseMessage } from '../../src/connectors/hl7v2/message.ts';
import { createSender, type Sender } from '../../src/connectors/hl7v2/sender.ts';
import { missingProgram } from '../harness/debian.ts';
import { msaOf, siu } from '../harness/mllp.ts';
import { freePort } from '../harness/ports.ts';
import {
  type ForeignServer,
  medplum,
  medplumEnhanced,
  nodeHl7,
  pythonHl7,
  type Stack,
  simpleHl7,
} from '../peers/hl7-stacks.ts';

const open: { close(): unknown }[] = [];
after(async () => {
  for (const one of open.toReversed()) await one.close();
});

const never = () => new AbortController().signal;

async function startTalk(stack: Stack, responseTimeoutMs = 5_000): Promise<{ server: ForeignServer; sender: Sender }> {
  const server = await stack.serve();
  const sender = createSender({ host: '127.0.0.1', port: server.port, responseTimeoutMs });
  open.push(server, sender);
  return { server, sender };
}

const booking = (id: string, version = '2.5.1') =>
  composeMessage(
    [
      [
        'MSH',
        {
          3: 'OPENCHAIR',
          5: 'HRS',
          7: '20261201100000-0500',
          9: ['SIU', 'S12', 'SIU_S12'],
          10: id,
          11: 'P',
          12: version,
        },
      ],
      ['SCH', { 1: id, 25: 'Booked' }],
      ['PID', { 1: '1', 3: 'P-1', 5: ['García & Söhne', 'Zoë'] }],
    ],
    { charset: 'UNICODE UTF-8' },
  );

async function startDoor(): Promise<{ port: number; stored: WireMessage[] }> {
  const port = await freePort();
  const stored: WireMessage[] = [];
  const config = hl7v2ConfigSchema.parse({ listen: { port }, timeZone: 'America/New_York' });
  const listener = await listen(config, {
    receive: async (message) => {
      stored.push(message);
      return 'stored';
    },
    warn: (fault) => assert.fail(fault),
  });
  assert.ok(listener);
  open.push(listener);
  return { port, stored };
}

function talks(stack: Stack): void {
  test('our messages are read and acknowledged there, one after the other', async () => {
    const { server, sender } = await startTalk(stack);
    const ids = ['M-1', 'M-2', 'M-3'];
    const answers = await Promise.all(ids.map((id) => sender.send(booking(id), id, never())));
    assert.deepEqual(
      answers.map(({ ack }) => [ack.code, ack.controlId]),
      ids.map((id) => ['AA', id]),
    );
    // node-hl7-server takes everything that a connection has brought again with each message: its later acknowledgements
    // are about earlier messages first.
    assert.deepEqual([...new Set(server.taken.map(({ id }) => id))], ids);
    for (const { name } of server.taken) assert.match(name, /^García (&|\\T\\) Söhne(\^Zoë)?$/);
  });

  test('their messages are read and acknowledged here', async () => {
    const { port, stored } = await startDoor();
    for (const id of ['T-1', 'T-2']) {
      const ack = await stack.send(port, siu(id, { note: 'Zoë \\T\\ co', head: { 18: 'UNICODE UTF-8' } }));
      assert.deepEqual(msaOf(ack.replace('\x0b', '')), ['AA', id]);
    }
    assert.deepEqual(
      stored.map(({ controlId, type }) => [controlId, type]),
      [
        ['T-1', 'SIU^S12'],
        ['T-2', 'SIU^S12'],
      ],
    );
    for (const { body } of stored) {
      const message = parseMessage(body);
      assert.equal(message.first('SCH')?.value(7, { component: 2 }), 'Zoë & co');
      assert.equal(message.first('SCH')?.value(11, { component: 4 }), '20261215100000-0500');
      assert.equal(message.first('AIP')?.value(3, { component: 2 }), 'Alder');
    }
  });
}

describe('node-hl7-server and node-hl7-client', () => {
  talks(nodeHl7);

  test('an acknowledgement with an invented control id, for a version it does not know, is none', async () => {
    const { sender } = await startTalk(nodeHl7, 300);
    await assert.rejects(
      sender.send(booking('M-9', '2.9'), 'M-9', never()),
      (error) => error instanceof OutcomeUnknown && /1 messages about something else/.test(error.message),
    );
  });
});

describe('@medplum/hl7', () => {
  talks(medplum);

  test('in enhanced mode its commit is followed by the answer of its application', async () => {
    const { server, sender } = await startTalk(medplumEnhanced);
    const { ack } = await sender.send(booking('M-1'), 'M-1', never());
    assert.deepEqual([ack.code, ack.controlId, server.taken.length], ['AA', 'M-1', 1]);
  });
});

describe('simple-hl7', () => talks(simpleHl7));

describe('python-hl7', { skip: missingProgram('mllp_send', 'python3-hl7') }, () => talks(pythonHl7));
