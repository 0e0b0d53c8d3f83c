import type { Input } from './fields.ts';
import { Refusal, unknown } from './refusal.ts';
import type { Store } from './store.ts';

/** Changes this close together are told in one call. */
const COALESCE_MS = 20;
const TIMEOUT_MS = 2_000;
/** A practice has a handful of neighbours; more means somebody registers in a loop. */
const MAX_HOOKS = 20;

export interface Hook {
  id: number;
  url: string;
}

export function listHooks(store: Store): Hook[] {
  return store
    .rows('SELECT id, url FROM hooks ORDER BY id')
    .map(({ id, url }) => ({ id: Number(id), url: String(url) }));
}

/** Registers a url once, however often it is asked to. */
export function addHook(store: Store, input: Input): Hook {
  const { url } = input;
  if (typeof url !== 'string' || !/^https?:$/.test(URL.parse(url)?.protocol ?? '')) {
    throw new Refusal(422, 'bad_field', 'url: must be an http(s) address.', { field: 'url' });
  }
  const hooks = listHooks(store);
  const known = hooks.find((hook) => hook.url === url);
  if (known) return known;
  if (hooks.length >= MAX_HOOKS) throw new Refusal(422, 'too_many_hooks', `At most ${MAX_HOOKS} hooks.`);
  return { id: Number(store.run('INSERT INTO hooks (url) VALUES (?)', url).lastInsertRowid), url };
}

export function removeHook(store: Store, id: number): void {
  if (store.run('DELETE FROM hooks WHERE id = ?', id).changes === 0) throw unknown('hook', id);
}

/**
 * A function to call after each change, which tells every hook how far the feed has come, once per burst. Whether it
 * arrives is not looked at.
 */
export function createBell(store: () => Store, silenced: () => boolean): () => void {
  let isPending = false;

  function tellAll(): void {
    isPending = false;
    if (silenced()) return;
    const body = JSON.stringify({ revision: store().head() });
    for (const { url } of listHooks(store())) {
      const headers = { 'content-type': 'application/json' };
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      fetch(url, { method: 'POST', headers, body, redirect: 'manual', signal })
        .then((response) => response.body?.cancel())
        .catch(() => {});
    }
  }

  return () => {
    if (isPending) return;
    isPending = true;
    setTimeout(tellAll, COALESCE_MS);
  };
}
