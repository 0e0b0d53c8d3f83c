import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { createServer as createTlsServer, Server as TlsServer } from 'node:tls';
import { OutcomeUnknown, Unavailable } from '../../src/connectors/connector.ts';
import { createDeframer, frame } from '../../src/connectors/hl7v2/framing.ts';
import { readHead } from '../../src/connectors/hl7v2/head.ts';
import { createSender, type Sender, type SenderOptions } from '../../src/connectors/hl7v2/sender.ts';
import { AUTHORITY, CLIENT, EXPIRED_CLIENT, SERVER, STRANGE_CLIENT } from '../harness/certificates.ts';
import { freePort } from '../harness/ports.ts';
import { until } from '../harness/program.ts';

/** What a receiver does with the message that it got under that control id, on its `n`th connection. */
type Answering = (id: string, socket: Socket, n: number) => void;

interface Receiver {
  port: number;
  /** Control ids in the order of their arrival. */
  received: string[];
  /** Those that are connected now, and how many there have been. */
  sockets: Set<Socket>;
  connections(): number;
}

const opened: { close(): unknown }[] = [];
after(() => {
  for (const one of opened) one.close();
});

async function listen(answer: Answering, server: Server = createServer({ allowHalfOpen: true })): Promise<Receiver> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    const n = ++connections;
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    const deframer = createDeframer({
      maxMessageBytes: 10_000,
      onMessage(body) {
        const id = readHead(body)?.controlId as string;
        received.push(id);
        answer(id, socket, n);
      },
      onJunk: () => assert.fail('we send frames only'),
    });
    socket.on('data', (chunk) => deframer.push(chunk));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  opened.push({
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  });
  return { port: (server.address() as AddressInfo).port, received, sockets, connections: () => connections };
}

function senderTo(port: number, more: Partial<SenderOptions> = {}): Sender {
  const sender = createSender({ host: '127.0.0.1', port, responseTimeoutMs: 5_000, ...more });
  opened.push(sender);
  return sender;
}

const message = (id: string) => Buffer.from(`MSH|^~\\&|OC||HRS||20261201||SIU^S12|${id}|P|2.5.1\rSCH|1\r`);
const ackTo = (id: string, code = 'AA') =>
  frame(Buffer.from(`MSH|^~\\&|HRS||OC||20261201||ACK|9|P|2.5.1\rMSA|${code}|${id}\r`));
const never = () => new AbortController().signal;
const send = (sender: Sender, id: string, signal = never()) => sender.send(message(id), id, signal);
const acknowledge: Answering = (id, socket) => void socket.write(ackTo(id));

test('one connection stays open, and the next message leaves when the one before is acknowledged', async () => {
  let underWay = 0;
  const receiver = await listen((id, socket) => {
    assert.equal(++underWay, 1);
    setImmediate(() => {
      underWay--;
      socket.write(ackTo(id));
    });
  });
  const sender = senderTo(receiver.port);
  const ids = Array.from({ length: 50 }, (_, i) => `M${i}`);
  const answers = await Promise.all(ids.map((id) => send(sender, id)));
  assert.deepEqual(
    answers.map(({ ack }) => ack.controlId),
    ids,
  );
  assert.deepEqual(receiver.received, ids);
  assert.equal(receiver.connections(), 1);
});

test('an acknowledgement is taken in pieces, after others, and whatever its code says', async () => {
  const receiver = await listen((id, socket) => {
    socket.write(Buffer.concat([Buffer.from('\r\nnoise'), ackTo('X-1'), ackTo(''), frame(message('theirs'))]));
    const [half, rest] = [ackTo(id, 'AR').subarray(0, 9), ackTo(id, 'AR').subarray(9)];
    socket.write(half, () => setImmediate(() => socket.write(Buffer.concat([rest, ackTo(id)]))));
  });
  const sender = senderTo(receiver.port);
  for (const id of ['M1', 'M2']) {
    const { ack, response } = await send(sender, id);
    assert.deepEqual(ack, { code: 'AR', controlId: id, text: null });
    assert.deepEqual(frame(response), ackTo(id, 'AR'));
  }
});

test('after a commit the answer of the application counts, and the commit where there is none', async () => {
  const receiver = await listen((id, socket) => {
    socket.write(ackTo(id, 'CA'));
    if (id === 'answered') socket.write(frame(Buffer.from(`MSH|^~\\&|HRS||||||SRR^S01|9\rMSA|AE|${id}\rSCH||77\r`)));
    if (id === 'gone') socket.end();
  });
  const sender = senderTo(receiver.port, { responseTimeoutMs: 30_000 });
  const answered = await send(sender, 'answered');
  assert.equal(answered.ack.code, 'AE');
  assert.match(answered.response.toString(), /SCH\|\|77/);
  assert.equal((await send(sender, 'gone')).ack.code, 'CA');
  const startedAtMs = performance.now();
  assert.equal((await send(sender, 'silent')).ack.code, 'CA');
  assert.ok(performance.now() - startedAtMs < 15_000);
});

test('what never left is Unavailable: nobody listens, the queue is full, given up while waiting', async () => {
  const nobody = senderTo(await freePort());
  await assert.rejects(
    send(nobody, 'M1'),
    (error) => error instanceof Unavailable && /ECONNREFUSED/.test(error.message),
  );
  await assert.rejects(nobody.check(never()), Unavailable);
  await assert.rejects(send(nobody, 'M1', AbortSignal.abort()), Unavailable);

  const receiver = await listen(() => {});
  const sender = senderTo(receiver.port);
  const first = assert.rejects(send(sender, 'first'), OutcomeUnknown);
  const givenUp = new AbortController();
  const waiting = [
    assert.rejects(send(sender, 'second', givenUp.signal), Unavailable),
    ...Array.from({ length: 99 }, (_, i) => assert.rejects(send(sender, `W${i}`), Unavailable)),
  ];
  await assert.rejects(send(sender, 'one too many'), Unavailable);
  givenUp.abort();
  await waiting[0];
  await until('the first message', async () => receiver.received.length === 1);
  sender.close();
  await Promise.all([first, ...waiting]);
  await assert.rejects(send(sender, 'closed'), Unavailable);
  assert.deepEqual(receiver.received, ['first']);
});

test('one that gave up while waiting passes its turn on', async () => {
  const held: (() => void)[] = [];
  const receiver = await listen((id, socket) => void held.push(() => socket.write(ackTo(id))));
  const sender = senderTo(receiver.port);
  const givenUp = new AbortController();
  const first = send(sender, 'first');
  const second = assert.rejects(send(sender, 'second', givenUp.signal), Unavailable);
  const third = send(sender, 'third');
  givenUp.abort();
  await second;
  for (const id of ['first', 'third']) {
    await until(id, async () => receiver.received.at(-1) === id);
    held.at(-1)?.();
  }
  assert.deepEqual([(await first).ack.controlId, (await third).ack.controlId], ['first', 'third']);
});

test('what may have left is OutcomeUnknown, and the next message takes a new connection', async () => {
  const faults: Record<string, (socket: Socket, id: string) => void> = {
    silence: () => {},
    'another control id': (socket) => socket.write(ackTo('other')),
    'no control id': (socket) => socket.write(ackTo('')),
    'no frame': (socket) => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
    'no message': (socket) => socket.write(frame(Buffer.from('PID|1\r'))),
    'half of an acknowledgement': (socket, id) => socket.end(ackTo(id).subarray(0, 30)),
    'end of the connection': (socket) => socket.end(),
    reset: (socket) => socket.resetAndDestroy(),
    'endless answer': (socket) => socket.write(`\x0b${'x'.repeat(1_100_000)}`),
  };
  const receiver = await listen((id, socket) => {
    const fault = faults[id];
    if (fault) fault(socket, id);
    else acknowledge(id, socket, 0);
  });
  const sender = senderTo(receiver.port, { responseTimeoutMs: 150 });
  for (const fault of Object.keys(faults)) {
    await assert.rejects(
      send(sender, fault),
      (error) => error instanceof OutcomeUnknown && error.message.startsWith(`127.0.0.1:${receiver.port}: `),
      fault,
    );
    assert.equal((await send(sender, `after ${fault}`)).ack.code, 'AA');
  }
  const givenUp = new AbortController();
  const abandoned = assert.rejects(send(sender, 'silence', givenUp.signal), OutcomeUnknown);
  await until('the message', async () => receiver.received.at(-1) === 'silence');
  givenUp.abort();
  await abandoned;
  assert.equal(receiver.connections(), Object.keys(faults).length + 1);
});

test('a connection that the receiver closes between two messages is opened again', async () => {
  const receiver = await listen((id, socket) => {
    socket.write(ackTo(id));
    if (id === 'M1') socket.end();
  });
  const sender = senderTo(receiver.port);
  await send(sender, 'M1');
  await until('the end of the connection', async () => receiver.sockets.size === 0);
  await send(sender, 'M2');
  assert.equal(receiver.connections(), 2);
});

test('a silent receiver keeps nobody else waiting', async () => {
  const silent = senderTo((await listen(() => {})).port);
  const lively = senderTo((await listen(acknowledge)).port);
  const stuck = assert.rejects(send(silent, 'M1'), OutcomeUnknown);
  for (let i = 0; i < 20; i++) await send(lively, `L${i}`);
  silent.close();
  await stuck;
});

test('check connects and sends nothing', async () => {
  const receiver = await listen(acknowledge);
  const sender = senderTo(receiver.port);
  await sender.check(never());
  await sender.check(never());
  await send(sender, 'M1');
  assert.deepEqual([receiver.connections(), receiver.received], [1, ['M1']]);
});

test('TLS: each side wants to know the other, and a connection that is not trusted carries nothing', async () => {
  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    const server = createTlsServer({ ...SERVER, ca: AUTHORITY, requestCert: true, maxVersion });
    server.on('tlsClientError', () => {});
    const receiver = await listen(acknowledge, server);
    const trusted = { ca: AUTHORITY, ...CLIENT, servername: 'localhost' };
    assert.equal((await send(senderTo(receiver.port, { tls: trusted }), 'M1')).ack.code, 'AA');

    const untrusted: [what: string, tls: SenderOptions['tls'], fault: RegExp][] = [
      ['no certificate of ours', { ca: AUTHORITY, servername: 'localhost' }, /ERR_SSL_|ECONNRESET|does not trust/],
      ['one that is over', { ...trusted, ...EXPIRED_CLIENT }, /ERR_SSL_|ECONNRESET|does not trust/],
      ['one of a strange authority', { ...trusted, ...STRANGE_CLIENT }, /ERR_SSL_|ECONNRESET|does not trust/],
      ['an authority that we do not know', { ...CLIENT, servername: 'localhost' }, /UNABLE_TO_|SELF_SIGNED/],
      ['another name', { ...trusted, servername: 'other.example' }, /ERR_TLS_CERT_ALTNAME_INVALID/],
      ['no key', { ...trusted, key: 'nonsense' }, /ERR_OSSL_/],
    ];
    for (const [what, tls, fault] of untrusted) {
      const sender = senderTo(receiver.port, { tls });
      for (const attempt of [() => sender.check(never()), () => send(sender, what)]) {
        await assert.rejects(
          attempt,
          (error) => error instanceof Unavailable && fault.test(error.message),
          `${what}, ${maxVersion}`,
        );
      }
    }
    await assert.rejects(send(senderTo(receiver.port), 'no TLS'), OutcomeUnknown);
    assert.deepEqual(receiver.received, ['M1']);
  }
});
