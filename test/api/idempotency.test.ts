import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { forAll } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { watchContents } from '../harness/contents.ts';
import { createAppointment, createKey } from '../harness/practice.ts';
import { addProvider, book, booked } from './schedule.ts';

/** A Monday, 7:00 in New York. */
const NOW = '2026-03-02T12:00:00.000Z';

suite('an Idempotency-Key', () => {
  let api: Api;

  before(async () => {
    api = await startApi({ clock: { nowMs: () => Date.parse(NOW) } });
  });
  after(() => api.close());

  const under = (key: string) => ({ headers: { 'idempotency-key': key } });

  test('gives the same request the same answer, and its effect once', async () => {
    const dee = await addProvider(api, {});
    const first = await book(api, { provider_id: dee }, under('once'));
    assert.equal(first.status, 201, first.text);
    const contents = await watchContents(api.db);
    const again = await book(api, { provider_id: dee }, under('once'));
    const asText = await book(api, { provider_id: String(dee), operatory_id: '' }, under('once'));
    for (const answer of [again, asText]) assert.deepEqual([answer.status, answer.text], [201, first.text]);
    assert.equal(await contents.hasChanged(), false);
    const without = await book(api, { provider_id: dee });
    assert.equal(without.status, 400, 'without the key the time is taken');
  });

  test('refuses another request under it, whatever differs', async () => {
    const dee = await addProvider(api, {});
    await booked(api, { provider_id: dee }, under('mismatch'));
    const appointment = await createAppointment(api.db, api.practice, '2026-03-04T14:00:00.000Z');
    const others = [
      await book(api, { provider_id: dee, note: 'x' }, under('mismatch')),
      await book(api, { provider_id: dee }, { ...under('mismatch'), query: { notify_patient: true } }),
      await api.patch(`/appointments/${appointment}?subdomain=oak`, {
        body: { appt: { confirmed: true } },
        ...under('mismatch'),
      }),
    ];
    for (const { status, headers, body } of others) {
      assert.deepEqual(
        [status, headers.get('openchair-error-code'), body.error],
        [422, 'idempotency_mismatch', ['This Idempotency-Key was used with a different request.']],
      );
    }
  });

  test('gives a refusal again too, with its code, even when it would not be refused any more', async () => {
    const dee = await addProvider(api, {});
    const appointment = await createAppointment(api.db, api.practice, '2026-03-03T14:00:00.000Z', { provider_id: dee });
    const first = await book(api, { provider_id: dee }, under('refused'));
    assert.deepEqual([first.status, first.headers.get('openchair-error-code')], [400, 'slot_taken']);
    assert.deepEqual(first.body.error, ['The slot is taken: this time is no longer available']);
    await forAll(api.db, (tx) => tx.deleteFrom('appointment').where('id', '=', appointment).execute());
    const again = await book(api, { provider_id: dee }, under('refused'));
    assert.deepEqual(
      [again.status, again.headers.get('openchair-error-code'), again.text],
      [400, 'slot_taken', first.text],
    );
    await booked(api, { provider_id: dee }, under('another'));
  });

  test('is free again when the request never got as far as being tried', async () => {
    const dee = await addProvider(api, {});
    assert.equal((await book(api, { provider_id: dee, note: 'n'.repeat(129) }, under('retried'))).status, 400);
    await booked(api, { provider_id: dee, note: 'n' }, under('retried'));
  });

  test('that is in use answers 409 until the first request has ended', async () => {
    const dee = await addProvider(api, {});
    const day = Math.floor(Date.parse('2026-03-03T14:00:00Z') / 86_400_000);
    const client = await api.db.pool.connect();
    let first: ReturnType<typeof book>;
    try {
      // Holds the booking where it waits for another one of the same day.
      await client.query('begin');
      await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`provider:${dee}:${day}`]);
      first = book(api, { provider_id: dee }, under('busy'));
      const isWaiting = async () =>
        (
          await client.query(
            `select 1 from pg_locks where locktype = 'advisory' and not granted
               and database = (select oid from pg_database where datname = current_database())`,
          )
        ).rowCount;
      while (!(await isWaiting()));
      const second = await book(api, { provider_id: dee }, under('busy'));
      assert.deepEqual(
        [second.status, second.headers.get('openchair-error-code'), second.body.error],
        [409, 'in_progress', ['A request with this Idempotency-Key is still in progress.']],
      );
    } finally {
      await client.query('rollback');
      client.release();
    }
    const answer = await first;
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await book(api, { provider_id: dee }, under('busy'))).text, answer.text);
  });

  test('belongs to the user who sent it', async () => {
    const dee = await addProvider(api, {});
    const mine = await booked(api, { provider_id: dee }, under('shared'));
    const { key, apiUserId } = await createKey(api.db, [api.institution.id]);
    const theirs = await booked(
      api,
      { provider_id: dee, start_time: '2026-03-03T15:00:00Z' },
      { ...under('shared'), key },
    );
    assert.notEqual(theirs.id, mine.id);
    assert.equal(theirs.created_by_user_id, apiUserId);
  });

  test('is 1 to 255 visible ASCII characters', async () => {
    for (const key of ['', 'two words', 'k'.repeat(256), 'é']) {
      const { status, body } = await book(api, {}, under(key));
      assert.deepEqual(
        [status, body.error],
        [400, ['Invalid parameter Idempotency-Key: must be 1 to 255 visible ASCII characters']],
        key,
      );
    }
    for (const key of ['~', 'k'.repeat(255), '"8e03978e-40d5-43dd-bc93-6894a57f9324"']) {
      await booked(api, { provider_id: await addProvider(api, {}) }, under(key));
    }
  });

  test('on a change gives the first answer, where a second change would be refused', async () => {
    const id = await createAppointment(api.db, api.practice, '2026-03-05T14:00:00.000Z');
    const cancel = (key: string) =>
      api.patch(`/appointments/${id}?subdomain=oak`, { body: { appt: { cancelled: true } }, ...under(key) });
    const first = await cancel('cancel');
    assert.deepEqual([first.status, first.body.data.appt.cancelled], [200, true]);
    assert.equal((await cancel('cancel')).text, first.text);
    assert.equal((await cancel('cancel-2')).status, 400);
  });

  test('is not looked at where it is not offered', async () => {
    assert.equal((await api.get('/appointment_types?subdomain=oak', under('two words'))).status, 200);
  });
});
