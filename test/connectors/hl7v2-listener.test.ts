import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { after, test } from 'node:test';
import type { Listener, Reception, WireMessage } from '../../src/connectors/connector.ts';
import { type Hl7v2Config, hl7v2ConfigSchema } from '../../src/connectors/hl7v2/config.ts';
import { listen } from '../../src/connectors/hl7v2/listener.ts';
import { AUTHORITY, CLIENT, EXPIRED_CLIENT, SERVER, STRANGE_CLIENT } from '../harness/certificates.ts';
import { connectMllp, framed, type MllpPeer, msaOf, siu } from '../harness/mllp.ts';
import { freePort } from '../harness/ports.ts';
import { until } from '../harness/program.ts';

interface Door {
  port: number;
  listener: Listener;
  stored: WireMessage[];
  warnings: string[];
  /** What storing gives from now on. */
  answer: (message: WireMessage) => Promise<Reception>;
}

const open: { close(): unknown }[] = [];
after(() => Promise.all(open.map((one) => one.close())));

async function openDoor(config: Partial<Hl7v2Config> & { tls?: object } = {}): Promise<Door> {
  const port = await freePort();
  const { tls, ...rest } = config;
  const door: Partial<Door> & Pick<Door, 'stored' | 'warnings' | 'answer'> = {
    stored: [],
    warnings: [],
    answer: async () => 'stored',
  };
  const whole = hl7v2ConfigSchema.parse({ listen: { port, tls }, timeZone: 'America/New_York', ...rest });
  const listener = await listen(whole, {
    receive: async (message) => {
      door.stored.push(message);
      return door.answer(message);
    },
    warn: (fault) => void door.warnings.push(fault),
  });
  assert.ok(listener);
  open.push(listener);
  return Object.assign(door, { port, listener }) as Door;
}

async function peerOf(door: Door, tls?: object): Promise<MllpPeer> {
  const peer = await connectMllp(door.port, tls);
  open.push(peer);
  return peer;
}

test('a message is stored with what must be known of it, and acknowledged in one small write', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const ack = await peer.send(siu('M1', { appointment: '4711^OAK' }));
  assert.deepEqual(msaOf(ack), ['AA', 'M1']);
  assert.equal(peer.reads.length, 1);
  assert.ok((peer.reads[0] as number) <= 256);
  const [message] = door.stored as [WireMessage];
  assert.equal(message.type, 'SIU^S12');
  assert.equal(message.controlId, 'M1');
  assert.equal(message.appointmentRef, '4711@OAK');
  assert.equal(message.patientRef, 'P-1@HRS');
  assert.equal(message.sentAt, '2026-12-01T13:00:00.000Z');
  assert.equal(message.body.toString(), siu('M1', { appointment: '4711^OAK' }));
});

test('nothing is acknowledged before it is stored, and our trouble is told as such', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const { promise, resolve } = Promise.withResolvers<Reception>();
  door.answer = () => promise;
  peer.write(framed(siu('M1')));
  await until('the message', async () => door.stored.length === 1);
  assert.equal(peer.reads.length, 0);
  resolve('unstorable');
  assert.deepEqual(msaOf(await peer.next()), ['AE', 'M1']);
  door.answer = async () => 'repeated';
  assert.deepEqual(msaOf(await peer.send(siu('M1'))), ['AA', 'M1']);
});

test('acknowledgements keep the order of the messages, whichever is stored first', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const slow = Promise.withResolvers<Reception>();
  door.answer = (message) => (message.controlId === 'M1' ? slow.promise : Promise.resolve('stored'));
  peer.write(['M1', 'M2', 'M3'].map((id) => framed(siu(id))).join(''));
  await until('all three', async () => door.stored.length === 3);
  assert.equal(peer.reads.length, 0);
  slow.resolve('stored');
  const acks = [await peer.next(), await peer.next(), await peer.next()];
  assert.deepEqual(
    acks.map((ack) => msaOf(ack)[1]),
    ['M1', 'M2', 'M3'],
  );
});

test('what can never be taken is rejected, and nothing of it is kept or given back', async () => {
  const door = await openDoor({ expects: [{ application: 'HRS', facility: 'OAK' }] });
  const peer = await peerOf(door);
  const rejected: [Record<number, string>, string][] = [
    [{ 10: '' }, 'no_control_id'],
    [{ 3: 'OTHER' }, 'unexpected_sender'],
    [{ 4: 'ELM' }, 'unexpected_sender'],
    [{ 11: 'T' }, 'wrong_processing_id'],
    [{ 11: 'D' }, 'wrong_processing_id'],
    [{ 9: 'ORU^R01' }, 'unknown_type'],
    [{ 18: 'KLINGON' }, 'unknown_charset'],
  ];
  for (const [head, why] of rejected) {
    const ack = await peer.send(`${siu('M1', { head })}ZPI|Secret Name\r`);
    assert.deepEqual(msaOf(ack), ['AR', head[10] ?? 'M1'], why);
    assert.ok(!ack.includes('Secret') && !ack.includes('Pine'));
    assert.equal(door.warnings.at(-1), `a message was rejected: ${why}`);
  }
  assert.deepEqual(msaOf(await peer.send('hello')), ['AR', '']);
  assert.deepEqual(msaOf(await peer.send(siu('M2', { note: '\xff' }).replace('\xff', '\x00\xff'))), ['AA', 'M2']);
  assert.deepEqual(msaOf(await peer.send(siu('M3', { head: { 3: 'HRS^1.2.3^ISO', 11: '' } }))), ['AA', 'M3']);
  assert.equal(door.stored.length, 2);
});

test('an acknowledgement is not acknowledged', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  peer.write(framed('MSH|^~\\&|HRS|OAK|||20261201||ACK|X1|P|2.5\rMSA|AA|OURS\r'));
  assert.deepEqual(msaOf(await peer.send(siu('M1'))), ['AA', 'M1']);
  assert.equal(door.stored.length, 1);
});

test('enhanced mode: MSH-15 asks for the acceptance, MSH-16 for the answer of the application', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const cases: [accept: string, application: string, ok: string[], error: string[]][] = [
    ['AL', 'NE', ['CA'], ['CE']],
    ['AL', 'AL', ['CA', 'AA'], ['CE']],
    ['NE', 'AL', ['AA'], ['AE']],
    ['NE', 'NE', [], []],
    ['ER', 'NE', [], ['CE']],
    ['SU', 'NE', ['CA'], []],
    ['SU', 'ER', ['CA'], ['AE']],
    ['', 'AL', ['AA'], ['AE']],
    ['AL', '', ['CA'], ['CE']],
  ];
  for (const [accept, application, ok, error] of cases) {
    for (const [reception, expected] of [
      ['stored', ok],
      ['unstorable', error],
    ] as const) {
      door.answer = async () => reception;
      peer.write(framed(siu('E1', { head: { 15: accept, 16: application } })));
      // What follows in original mode shows that nothing more came before it.
      peer.write(framed(siu('END')));
      const codes: string[] = [];
      for (;;) {
        const [code, controlId] = msaOf(await peer.next());
        if (controlId === 'END') break;
        codes.push(code);
      }
      assert.deepEqual(codes, expected, `${accept}/${application} ${reception}`);
    }
  }
});

test('frames come in any pieces, with junk between them, and a sender may close its half', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  for (const byte of Buffer.from(framed(siu('M1')))) peer.write(Buffer.of(byte));
  assert.deepEqual(msaOf(await peer.next()), ['AA', 'M1']);
  peer.write(`GET / HTTP/1.1\r\n\x0bMSH|half\x0b${siu('M2')}\x1c`);
  assert.deepEqual(msaOf(await peer.next()), ['AA', 'M2']);
  peer.socket.end(framed(siu('M3')));
  assert.deepEqual(msaOf(await peer.next()), ['AA', 'M3']);
  await peer.closed;
});

test('who sends what is no message for long is cut off', async () => {
  const door = await openDoor();
  const junk = await peerOf(door);
  junk.write(Buffer.alloc(2_000_000, 'x'));
  await junk.closed;
  const endless = await peerOf(door);
  endless.write(Buffer.concat([Buffer.of(0x0b), Buffer.alloc(70_000_000, 'x')]));
  await endless.closed;
  assert.deepEqual(msaOf(await (await peerOf(door)).send(siu('M1'))), ['AA', 'M1']);
});

test('a message that is too long is rejected by its name, and the feed goes on', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const ack = await peer.send(siu('LONG', { note: 'n'.repeat(5_000_000) }));
  assert.deepEqual([...msaOf(ack), ack.split('|').at(-1)?.trim()], ['AR', 'LONG', 'too_long']);
  assert.deepEqual(msaOf(await peer.send(siu('M1'))), ['AA', 'M1']);
  assert.equal(door.stored.length, 1);
});

test('what has begun and not ended is bounded over all ports', async () => {
  const doors = [await openDoor(), await openDoor()];
  const peers: Socket[] = [];
  let closed = 0;
  for (let at = 0; at < 40; at += 1) {
    const socket = connect((doors[at % 2] as (typeof doors)[0]).port, '127.0.0.1');
    socket.on('error', () => {});
    socket.on('close', () => {
      closed += 1;
    });
    socket.write(Buffer.concat([Buffer.from('\x0bMSH|^~\\&|HRS|OAK|'), Buffer.alloc(3_000_000, 'x')]));
    peers.push(socket);
  }
  // 64 MB are 21 of them.
  await until('the others are closed', async () => closed >= 40 - 21);
  for (const door of doors) assert.deepEqual(msaOf(await (await peerOf(door)).send(siu('M1'))), ['AA', 'M1']);
  for (const socket of peers) socket.destroy();
});

test('a sender that does not wait is not read faster than its messages are stored', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const gate = Promise.withResolvers<void>();
  door.answer = () => gate.promise.then(() => 'stored');
  const note = 'n'.repeat(20_000);
  const count = 500;
  for (let at = 0; at < count; at += 1) peer.write(framed(siu(`M${at}`, { note })));
  await until('the first', async () => door.stored.length >= 64);
  // Were it still read, the rest would come within this.
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(door.stored.length < 100, String(door.stored.length));
  gate.resolve();
  for (let at = 0; at < count; at += 1) assert.equal(msaOf(await peer.next())[1], `M${at}`);
});

test('a hundred peers that begin and never end, and some that send junk, slow nobody down', async () => {
  const door = await openDoor();
  const good = await peerOf(door);
  await good.send(siu('M0'));
  const bad: Socket[] = [];
  for (let at = 0; at < 100; at += 1) {
    const socket = connect(door.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(at % 10 === 0 ? Buffer.alloc(500_000, 'junk') : '\x0bMSH|^~\\&|HRS|OAK|never');
    bad.push(socket);
  }
  const tookMs: number[] = [];
  for (let at = 1; at <= 200; at += 1) {
    const startedMs = performance.now();
    assert.deepEqual(msaOf(await good.send(siu(`M${at}`))), ['AA', `M${at}`]);
    tookMs.push(performance.now() - startedMs);
  }
  const late = await peerOf(door);
  assert.deepEqual(msaOf(await late.send(siu('L1'))), ['AA', 'L1']);
  for (const socket of bad) socket.destroy();
  const p95Ms = tookMs.toSorted((a, b) => a - b)[190] as number;
  assert.ok(p95Ms < 100, `${p95Ms} ms`);
});

test('with TLS only a certificate of our authority is let in', async () => {
  const tls = { cert: SERVER.cert, key: SERVER.key, clientCa: AUTHORITY };
  const door = await openDoor({ tls });
  const trust = { ca: AUTHORITY, servername: 'localhost' };
  const good = await peerOf(door, { ...trust, ...CLIENT });
  assert.deepEqual(msaOf(await good.send(siu('M1'))), ['AA', 'M1']);
  for (const [name, credentials] of Object.entries({ none: {}, expired: EXPIRED_CLIENT, stranger: STRANGE_CLIENT })) {
    // TLS 1.3 lets a client believe that it is connected until the server has looked.
    const refused = connectMllp(door.port, { ...trust, ...credentials }).then((peer) => peer.send(siu('X1')));
    await assert.rejects(refused, name);
  }
  const plain = await connectMllp(door.port);
  plain.write(framed(siu('X2')));
  await plain.closed;
  await assert.rejects(connectMllp(door.port, { ca: AUTHORITY, servername: 'hrs.oak.example', ...CLIENT }), /altname/i);
  assert.deepEqual(msaOf(await good.send(siu('M2'))), ['AA', 'M2']);
  assert.equal(door.stored.length, 2);
  assert.ok(door.warnings.includes('a TLS handshake failed'));
});

test('what is under way when it closes is still acknowledged, and the port is free afterwards', async () => {
  const door = await openDoor();
  const peer = await peerOf(door);
  const idle = await peerOf(door);
  const gate = Promise.withResolvers<Reception>();
  door.answer = () => gate.promise;
  peer.write(framed(siu('M1')));
  await until('the message', async () => door.stored.length === 1);
  const closing = door.listener.close();
  gate.resolve('stored');
  assert.deepEqual(msaOf(await peer.next()), ['AA', 'M1']);
  await closing;
  await Promise.all([peer.closed, idle.closed]);
  await assert.rejects(connectMllp(door.port));
});

test('a port that is taken is told by the system’s name for it, and no port is no listener', async () => {
  const door = await openDoor();
  const config = hl7v2ConfigSchema.parse({ listen: { port: door.port }, timeZone: 'UTC' });
  const receiving = { receive: async () => 'stored' as const, warn: () => {} };
  await assert.rejects(listen(config, receiving), { code: 'EADDRINUSE' });
  const { listen: _, ...rest } = { ...config, send: { host: 'localhost', port: 1 } };
  assert.equal(await listen(hl7v2ConfigSchema.parse(rest), receiving), null);
});
