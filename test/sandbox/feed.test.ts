import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Change } from '../../sandbox/changes.ts';
import { type Sandbox, startSandbox } from '../harness/sandbox.ts';
import { booking, SMALL_PRACTICE } from './practice.ts';

let sandbox: Sandbox;
before(async () => {
  sandbox = await startSandbox({ seed: SMALL_PRACTICE });
});
after(() => sandbox.stop());

async function head(): Promise<number> {
  return (await sandbox.call('GET', '/health')).body.revision;
}

async function readAll(since: number, limit: number): Promise<Change[]> {
  const changes: Change[] = [];
  for (let from = since; ; ) {
    const { body } = await sandbox.call('GET', `/v1/changes?since=${from}&limit=${limit}`);
    changes.push(...body.changes);
    assert.equal(body.has_more, body.revision !== body.head);
    if (!body.has_more) return changes;
    from = body.revision;
  }
}

test('from 0 the feed leads to every record once, in pages of any size', async () => {
  const whole = await readAll(0, 1_000);
  assert.deepEqual(await readAll(0, 1), whole);
  assert.equal(new Set(whole.map(({ kind, id }) => `${kind} ${id}`)).size, whole.length);
  assert.ok(whole.every(({ revision }, index) => index === 0 || revision > (whole[index - 1]?.revision ?? 0)));
  const { body } = await sandbox.call('GET', '/v1/practitioners');
  const told = whole.filter(({ kind }) => kind === 'practitioner').map(({ record }) => record);
  assert.deepEqual(told, body.items);
});

test('a change carries the record as it is now, a deletion only its id, a merge where to', async () => {
  const since = await head();
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(0));
  await sandbox.call('POST', `/v1/visits/${visit.id}/confirm`);
  const { body: confirmed } = await sandbox.call('GET', `/v1/visits/${visit.id}`);
  assert.equal(confirmed.created_revision, visit.revision);
  const change = { revision: confirmed.revision, kind: 'visit', id: visit.id, deleted: false, record: confirmed };
  assert.deepEqual(await readAll(since, 10), [change]);

  await sandbox.call('DELETE', `/desk/visits/${visit.id}`);
  const revision = await head();
  assert.deepEqual(await readAll(since, 10), [{ revision, kind: 'visit', id: visit.id, deleted: true, record: null }]);

  const again = await sandbox.call('POST', '/desk/visits', booking(0, { id: visit.id, patient_id: 102 }));
  assert.equal(again.body.id, visit.id);
  assert.ok(again.body.created_revision > revision);

  const { body: twin } = await sandbox.call('POST', '/desk/patients', { first_name: 'Pia', last_name: 'Pine' });
  await sandbox.call('POST', `/desk/patients/${twin.id}/merge`, { into: 101 });
  assert.equal((await readAll(since, 10)).find(({ id }) => id === twin.id)?.merged_into, 101);
});

test('a write that changes nothing and a refused one leave the feed where it is', async () => {
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(60));
  const since = await head();
  await sandbox.call('PATCH', '/desk/rooms/21', { active: true });
  await sandbox.call('POST', `/desk/visits/${visit.id}/unconfirm`);
  assert.equal((await sandbox.call('POST', '/v1/visits', booking(60))).status, 409);
  assert.equal((await sandbox.call('PATCH', '/desk/schedules/41', { opens: '23:00' })).status, 422);
  assert.equal(await head(), since);
});

test('a cursor from the future or from before a rebuild is gone; 0 leads to all that lives, page by page', async () => {
  const { body: visit } = await sandbox.call('POST', '/v1/visits', booking(120));
  const { body: other } = await sandbox.call('POST', '/v1/visits', booking(180));
  await sandbox.call('DELETE', `/desk/visits/${visit.id}`);
  const living = (await readAll(0, 1_000)).filter(({ deleted }) => !deleted).map(({ kind, id }) => ({ kind, id }));
  const trimmed = await head();
  assert.deepEqual((await sandbox.call('POST', '/desk/rebuild-feed')).body, { trimmed_to: trimmed });
  const status = async (since: number) => (await sandbox.call('GET', `/v1/changes?since=${since}`)).status;
  assert.deepEqual(await Promise.all([(await head()) + 1, trimmed - 1, trimmed, 0].map(status)), [410, 410, 200, 200]);
  const kept = await readAll(0, 3);
  assert.deepEqual(
    kept.map(({ kind, id }) => ({ kind, id })),
    living,
  );
  const told = kept.find(({ kind, id }) => kind === 'visit' && id === other.id)?.record;
  assert.deepEqual(told, (await sandbox.call('GET', `/v1/visits/${other.id}`)).body);
});

test('whatever happens between two pages, a reader of the feed ends with what the lists say', async () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'confirm', 'cancel', 'erase', 'page', 'page'),
    which: fc.nat({ max: 5 }),
  });
  let minute = 1_000;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const mirror = new Map<number, unknown>();
      let since = 0;
      const readPage = async () => {
        const { body } = await sandbox.call('GET', `/v1/changes?since=${since}&limit=3`);
        for (const { kind, id, deleted, record } of body.changes as Change[]) {
          if (kind !== 'visit') continue;
          if (deleted) mirror.delete(id);
          else mirror.set(id, record);
        }
        since = body.revision;
        return body.has_more as boolean;
      };
      for (const { what, which } of steps) {
        minute += 60;
        const { body } = await sandbox.call('GET', '/v1/visits');
        const id = body.items[which % body.items.length]?.id ?? 0;
        if (what === 'page') await readPage();
        else if (what === 'add') await sandbox.call('POST', '/v1/visits', booking(minute));
        else if (what === 'erase') await sandbox.call('DELETE', `/desk/visits/${id}`);
        else await sandbox.call('POST', `/desk/visits/${id}/${what}`);
      }
      while (await readPage());
      const { body } = await sandbox.call('GET', '/v1/visits?limit=1000');
      assert.deepEqual([...mirror.values()].sort(byId), body.items);
    }),
    { numRuns: 25 },
  );
});

function byId(one: unknown, other: unknown): number {
  return (one as { id: number }).id - (other as { id: number }).id;
}

test('hooks hear of many writes in few calls, also of the newest revision, and nothing once removed', async () => {
  const heard: { path: string; revision: number }[] = [];
  let onCall = () => {};
  const receiver = createServer((request, response) => {
    request.on('data', (chunk) => heard.push({ path: String(request.url), ...JSON.parse(chunk) }));
    request.on('end', () => {
      response.end();
      onCall();
    });
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const heardUpTo = async (revision: number) => {
    // Two calls under way may arrive in either order.
    while (!heard.some((call) => call.revision === revision)) {
      await new Promise<void>((resolve) => {
        onCall = resolve;
      });
    }
  };
  try {
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    const { body: hook } = await sandbox.call('POST', '/v1/hooks', { url: `${url}/one` });
    assert.deepEqual((await sandbox.call('POST', '/v1/hooks', { url: `${url}/one` })).body, hook);
    const writes = Array.from({ length: 60 }, (_, index) => {
      return sandbox.call('POST', '/desk/patients', { first_name: 'Rung', last_name: `Out ${index}` });
    });
    await Promise.all(writes);
    await heardUpTo(await head());
    await sandbox.call('POST', '/desk/patients', { first_name: 'Rung', last_name: 'Last' });
    await heardUpTo(await head());
    assert.ok(heard.length < writes.length * 0.75);

    await sandbox.call('DELETE', `/v1/hooks/${hook.id}`);
    assert.deepEqual((await sandbox.call('GET', '/v1/hooks')).body, { items: [] });
    const removedAt = await head();
    await sandbox.call('POST', '/v1/hooks', { url: `${url}/two` });
    await sandbox.call('POST', '/desk/patients', { first_name: 'Heard', last_name: 'Elsewhere' });
    await heardUpTo(await head());
    assert.deepEqual(
      heard.filter(({ revision }) => revision > removedAt).map(({ path }) => path),
      ['/two'],
    );
    assert.equal((await sandbox.call('POST', '/v1/hooks', { url: 'file:///etc' })).status, 422);
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
});
