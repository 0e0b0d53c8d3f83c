import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { type RawBuilder, sql } from 'kysely';
import { createRateLimiter, limitsOf, NEXHEALTH_LIMITS, parseRateLimits } from '../../src/api/rate-limits.ts';
import { routes } from '../../src/api/routes.ts';
import { systemClock } from '../../src/clock.ts';
import { forAll, openDatabase } from '../../src/store/database.ts';
import { type Api, startApi } from '../harness/api.ts';
import { createKey } from '../harness/practice.ts';
import { client, type Program, startProgram, until } from '../harness/program.ts';
import { SECRET_KEY } from '../harness/seal.ts';

/** Long enough to be one and the same for a whole test: it ends once in eleven days. */
const ENDLESS_S = 999_999;
const LIMITS = {
  all: { requests: 1_000, windowS: ENDLESS_S },
  schedule: { requests: 3, windowS: ENDLESS_S },
  people: { requests: 5, windowS: ENDLESS_S },
  rest: { requests: 8, windowS: ENDLESS_S },
};

const TYPES = '/appointment_types?subdomain=oak';
const SLOTS = '/appointment_slots?subdomain=oak&start_date=2030-01-07&days=1&lids[]=';

suite('rate limits', () => {
  let api: Api;
  const keyOf = async () => (await createKey(api.db, [api.institution.id])).key;

  before(async () => {
    let limited: ReturnType<typeof createRateLimiter> | null = null;
    api = await startApi({
      services: {
        rateLimiter: {
          take: (apiKeyId, route) => {
            limited ??= createRateLimiter(api.db, LIMITS, systemClock);
            return limited.take(apiKeyId, route);
          },
        },
      },
    });
  });
  after(() => api.close());

  test('are told with every answer, a refusal of another kind included', async () => {
    const key = await keyOf();
    const policy = `"all";q=1000;w=${ENDLESS_S}, "rest";q=8;w=${ENDLESS_S}`;
    const first = await api.get(TYPES, { key });
    assert.equal(first.headers.get('ratelimit-policy'), policy);
    assert.match(first.headers.get('ratelimit') ?? '', /^"all";r=999;t=\d+, "rest";r=7;t=\d+$/);
    const refused = await api.get('/appointment_types', { key });
    assert.equal(refused.status, 400);
    assert.match(refused.headers.get('ratelimit') ?? '', /^"all";r=998;t=\d+, "rest";r=6;t=\d+$/);
    assert.equal(refused.headers.get('retry-after'), null);
  });

  test('exactly so many requests pass, and the next is told when to come again', async () => {
    const key = await keyOf();
    for (let n = 0; n < LIMITS.rest.requests; n += 1) assert.equal((await api.get(TYPES, { key })).status, 200);
    for (const version of ['v2', 'v3.0.0'] as const) {
      const { status, headers, body } = await api.get(TYPES, { key, version });
      const waitS = Number(headers.get('retry-after'));
      assert.equal(status, 429);
      assert.ok(waitS >= 1 && waitS <= ENDLESS_S, String(waitS));
      assert.equal(headers.get('openchair-error-code'), 'rate_limited');
      assert.equal(body.code, false);
      assert.match(body.error[0], /^Too many requests: this key may make 8 of this kind in 999999 s; wait \d+ s$/);
      assert.match(headers.get('ratelimit') ?? '', /"rest";r=0;t=\d+$/);
    }
  });

  test('one key’s are none of another’s, and those of one kind none of another kind’s', async () => {
    const [key, other] = [await keyOf(), await keyOf()];
    const { north } = api.practice.locations;
    const slots = () => api.get(`${SLOTS}${north}`, { key });
    for (let n = 0; n < LIMITS.schedule.requests; n += 1) assert.equal((await slots()).status, 200);
    assert.equal((await slots()).status, 429);
    assert.equal((await api.get(TYPES, { key })).status, 200);
    assert.equal((await api.get(`/patients?subdomain=oak&location_id=${north}`, { key })).status, 200);
    assert.equal((await api.get(`${SLOTS}${north}`, { key: other })).status, 200);
  });

  test('a token of a key counts as the key', async () => {
    const key = await keyOf();
    const { token } = (await api.post('/authenticates', { key })).body.data;
    for (let n = 0; n < LIMITS.rest.requests; n += 1) await api.get(TYPES, { key: n % 2 ? token : key });
    assert.equal((await api.get(TYPES, { key: token })).status, 429);
  });

  test('administration is not limited, and nobody is limited who is not let in', async () => {
    const { key } = await createKey(api.db, [api.institution.id], { isAdmin: true });
    for (let n = 0; n < LIMITS.rest.requests + 2; n += 1) {
      assert.equal((await api.get('/admin/institutions', { key })).status, 200);
      const { status, headers } = await api.get(TYPES, { key: 'oc_nobody' });
      assert.deepEqual([status, headers.get('ratelimit')], [401, null]);
    }
  });

  test('a window that is over is forgotten', async () => {
    const { key } = await createKey(api.db, [api.institution.id]);
    const db = openDatabase(api.database.connection, 1, () => {});
    try {
      const limits = { ...LIMITS, rest: { requests: 2, windowS: 1 } };
      const limiter = createRateLimiter(db, limits, systemClock);
      const apiKeyId = await keyIdOf(api, key);
      const route = { method: 'GET', path: '/locations' } as const;
      const deadlineMs = Date.now() + 10_000;
      let refusedOnce = false;
      for (;;) {
        const { refusal } = await limiter.take(apiKeyId, route);
        if (refusal) refusedOnce = true;
        else if (refusedOnce) break;
        assert.ok(Date.now() < deadlineMs, 'it passes again once the second is over');
      }
    } finally {
      await db.close();
    }
  });

  test('a request that waited over the end of its window counts in the one that others have begun', async () => {
    const db = openDatabase(api.database.connection, 3, () => {});
    try {
      const limiter = createRateLimiter(db, { ...LIMITS, rest: { requests: 2, windowS: 1 } }, systemClock);
      const apiKeyId = await keyIdOf(api, await keyOf());
      const take = () => limiter.take(apiKeyId, { method: 'GET', path: '/locations' });
      await take();
      const waiting = await forAll(db, async (tx) => {
        const ask = async (condition: RawBuilder<unknown>) =>
          (await sql`select where ${condition}`.execute(tx)).rows.length > 0;
        await sql`update rate_window set requests = 2 where api_key_id = ${apiKeyId}`.execute(tx);
        const answer = take();
        await until('it to wait', () =>
          ask(sql`exists (select from pg_locks where not granted and pid in
          (select pid from pg_stat_activity where datname = current_database()))`),
        );
        const { rows } = await sql<{ at: string }>`select clock_timestamp() as at`.execute(tx);
        const next = sql`date_trunc('second', cast(${rows[0]?.at} as timestamptz)) + interval '1 second'`;
        await until('the next second', () => ask(sql`clock_timestamp() > ${next}`));
        await sql`update rate_window set started_at = ${next} where api_key_id = ${apiKeyId}`.execute(tx);
        return { answer };
      });
      assert.notEqual((await waiting.answer).refusal, null);
    } finally {
      await db.close();
    }
  });

  test('a clock that is put back refuses nobody for longer', async () => {
    let putBackMs = 0;
    const clock = { nowMs: () => Date.now() - putBackMs };
    const limiter = createRateLimiter(api.db, { ...LIMITS, rest: { requests: 1, windowS: 1 } }, clock);
    const apiKeyId = await keyIdOf(api, await keyOf());
    const take = () => limiter.take(apiKeyId, { method: 'GET', path: '/locations' });
    await until('a refusal', async () => (await take()).refusal !== null);
    putBackMs = 900_000;
    await until('a new window', async () => (await take()).refusal === null, 3_000);
  });

  test('every limit has requests that count against it, each against one of a minute', () => {
    const counted = routes.filter(({ access }) => access === undefined).map((route) => limitsOf(route));
    for (const names of counted) {
      assert.equal(names[0], 'all');
      assert.equal(names.filter((name) => name === 'people' || name === 'rest').length, 1);
    }
    assert.deepEqual([...new Set(counted.flat())].sort(), ['all', 'people', 'rest', 'schedule']);
    assert.deepEqual(limitsOf({ method: 'POST', path: '/appointments' }), ['all', 'people']);
    assert.deepEqual(limitsOf({ method: 'GET', path: '/appointments' }), ['all', 'schedule', 'people']);
    assert.deepEqual(limitsOf({ method: 'GET', path: '/appointment_types' }), ['all', 'rest']);
  });

  test('are read from the environment', () => {
    assert.equal(parseRateLimits('off'), null);
    assert.deepEqual(parseRateLimits('nexhealth'), NEXHEALTH_LIMITS);
    assert.deepEqual(parseRateLimits('schedule=50/1, people=5000/60'), {
      ...NEXHEALTH_LIMITS,
      schedule: { requests: 50, windowS: 1 },
      people: { requests: 5_000, windowS: 60 },
    });
    for (const text of [
      'on',
      'schedule',
      'schedule=0/1',
      'schedule=1/0',
      'toString=1/1',
      'rest=1e3/60',
      'rest=10/60,',
    ]) {
      assert.throws(() => parseRateLimits(text), /OPENCHAIR_RATE_LIMITS: .* is no limit/, text);
    }
  });
});

async function keyIdOf(api: Api, key: string): Promise<number> {
  const { token } = (await api.post('/authenticates', { key })).body.data;
  return Number(JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).kid);
}

const envOf = (api: Api) => ({ DATABASE_URL: api.database.url, OPENCHAIR_SECRET_KEY: SECRET_KEY });

test('two API processes count together', async () => {
  const api = await startApi();
  const programs: Program[] = [];
  try {
    const env = { ...envOf(api), OPENCHAIR_RATE_LIMITS: `rest=20/${ENDLESS_S}` };
    programs.push(...(await Promise.all([startProgram('api', env), startProgram('api', env)])));
    const calls = programs.map(({ url }) => client(url, api.key));
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => (await calls[n % 2]?.('GET', TYPES))?.status),
    );
    assert.equal(answers.filter((status) => status === 200).length, 20);
    assert.equal(answers.filter((status) => status === 429).length, 30);
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
    await api.close();
  }
});

test('an installation without the demo has NexHealth’s limits, the demo none', async () => {
  const api = await startApi();
  let program: Program | null = null;
  try {
    program = await startProgram('api', { ...envOf(api), OPENCHAIR_RATE_LIMITS: '' });
    const { headers } = (await client(program.url, api.key)('GET', TYPES)) ?? {};
    assert.equal(headers?.get('ratelimit-policy'), '"all";q=100;w=1, "rest";q=2000;w=60');
  } finally {
    await program?.stop();
    await api.close();
  }
});
