/** What holds for each route of the table, whatever it is about. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import type { Route } from '../../src/api/route.ts';
import { routes } from '../../src/api/routes.ts';
import type { Version } from '../../src/views/version.ts';
import { type Api, startApi } from '../harness/api.ts';
import { contentsOf } from '../harness/contents.ts';
import { createKey, createPractice } from '../harness/practice.ts';
import { findSample, idsIn, nameOf, pathOf, sampleNames } from '../harness/requests.ts';
import { createWorld, type World } from '../harness/world.ts';

/** Nothing has it: every sequence starts at 1. */
const ABSENT_ID = 987_654_321;

const open = routes.filter((route) => route.access !== 'admin');
const deleteHours = routes.find((route) => nameOf(route) === 'DELETE /availabilities/:id') as Route;
let practiceCount = 0;

suite('every route', () => {
  let api: Api;
  /** The other practice, with foreign ids equal to everybody's. Its key is nobody's here. */
  let stranger: World;
  let strangersKey: string;

  before(async () => {
    api = await startApi();
    // Numbers that stand for nothing else in an answer.
    await api.db.pool.query('select setval(sequencename::regclass, 700000) from pg_sequences');
    const practice = await createPractice(api.db, 'stranger');
    const other = await createKey(api.db, [practice.institution.id]);
    stranger = await createWorld(api.db, practice, other.apiUserId);
    strangersKey = other.key;
  });
  after(() => api.close());

  /** A practice that nothing has touched, and the key that reaches it alone. */
  async function freshWorld(): Promise<{ world: World; key: string }> {
    practiceCount += 1;
    const practice = await createPractice(api.db, `fresh-${practiceCount}`);
    const { key, apiUserId } = await createKey(api.db, [practice.institution.id]);
    return { world: await createWorld(api.db, practice, apiUserId), key };
  }

  function send(route: Route, world: World, key: string | null, version: Version, ids = world.ids) {
    const sample = findSample(route)?.(ids, world) ?? {};
    return api.request(route.method, pathOf(route, sample, world.subdomain), { key, version, body: sample.body });
  }

  test('has a sample request, and each sample has its route', () => {
    assert.deepEqual(sampleNames().sort(), open.map(nameOf).sort());
  });

  test('has a name of its own', () => {
    assert.equal(new Set(routes.map(nameOf)).size, routes.length);
  });

  for (const version of ['v2', 'v3.0.0'] as const) {
    test(`answers in the shape that it documents, in ${version}`, async () => {
      for (const route of open) {
        const { world, key } = await freshWorld();
        const answer = await send(route, world, key, version);
        const name = nameOf(route);
        assert.ok((route.statuses ?? [200]).includes(answer.status), `${name} ${answer.status} ${answer.text}`);
        if (answer.status === 204) continue;
        const keys = ['code', 'description', 'error', 'data', 'count', ...(version === 'v2' ? [] : ['page_info'])];
        assert.deepEqual(Object.keys(answer.body), keys, name);
        assert.equal(answer.body.code, true, name);
        const shape = typeof route.answer === 'function' ? route.answer(version) : route.answer;
        const parsed = shape.safeParse(answer.body.data);
        assert.ok(parsed.success, `${name}: ${parsed.error?.message}`);
        // What the shape does not name would be lost in parsing.
        assert.deepEqual(parsed.data, answer.body.data, `${name} answers more than it documents`);
      }
    });
  }

  test('tells another practice’s id and an absent one apart in nothing', async () => {
    let doors = 0;
    for (const route of open) {
      const make = findSample(route);
      if (!make) continue;
      const { world, key } = await freshWorld();
      for (const id of idsIn(make, world)) {
        const foreign = await send(route, world, key, 'v2', { ...world.ids, [id]: stranger.ids[id] });
        const absent = await send(route, world, key, 'v2', { ...world.ids, [id]: ABSENT_ID });
        const about = `${nameOf(route)} with another ${id}: ${foreign.text}`;
        assert.equal(foreign.status, absent.status, about);
        assert.equal(
          foreign.text.replaceAll(String(stranger.ids[id]), 'id'),
          absent.text.replaceAll(String(ABSENT_ID), 'id'),
          about,
        );
        // A filter may find nothing; everything else is refused.
        if (foreign.status < 400) {
          assert.equal(route.method, 'GET', about);
          assert.ok(!foreign.text.includes('stranger'), about);
        }
        doors += 1;
      }
      const own = await send(route, world, key, 'v2');
      assert.ok(own.status < 300, `${nameOf(route)} fails for its own ids as well: ${own.text}`);
    }
    assert.ok(doors > 60, `only ${doors} ids were tried`);
  });

  test('tells another practice’s subdomain and an absent one apart in nothing', async () => {
    const { world, key } = await freshWorld();
    for (const route of open.filter((one) => one.subdomain !== 'none')) {
      const foreign = await send(route, { ...world, subdomain: 'stranger' }, key, 'v2');
      const absent = await send(route, { ...world, subdomain: 'nowhere' }, key, 'v2');
      assert.deepEqual([foreign.status, foreign.text], [404, absent.text], nameOf(route));
    }
  });

  test('changes nothing of another practice', async () => {
    const rows = () => contentsOf(api.db, stranger.ids.institution);
    const before = await rows();
    const { world, key } = await freshWorld();
    for (const route of open.filter((one) => one.method === 'PATCH' || one.method === 'DELETE')) {
      await send(route, world, key, 'v2', stranger.ids);
    }
    assert.deepEqual(await rows(), before);
    // The same requests with the right key do change something, so that the comparison means something.
    await send(deleteHours, stranger, strangersKey, 'v2');
    assert.notDeepEqual(await rows(), before);
  });

  test('asks for a key unless it is public', async () => {
    const { world } = await freshWorld();
    for (const route of open.filter((one) => one.access !== 'public')) {
      for (const key of [null, 'oc_unknown', 'Bearer a.b.c', 'Basic eDp5']) {
        const answer = await send(route, world, key, 'v2');
        assert.deepEqual([answer.status, answer.body.code], [401, false], `${nameOf(route)} with ${key}`);
      }
    }
  });

  test('is closed to a key without administration rights where those are needed', async () => {
    for (const route of routes.filter((one) => one.access === 'admin')) {
      const path = route.path.replace(/:\w+/g, '1');
      const answer = await api.request(route.method, path, { body: route.method === 'GET' ? undefined : {} });
      assert.equal(answer.status, 403, nameOf(route));
    }
  });
});
