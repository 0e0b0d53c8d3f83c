import type { Reply } from './faults.ts';
import type { Input } from './fields.ts';

export interface Call {
  /** The `:id` of the path, 0 where there is none. */
  id: number;
  query: URLSearchParams;
  body: Input;
}

export interface Route {
  method: string;
  /** At most one `:id`, which is a whole number. */
  path: string;
  /** Set on lists: the parameter that says where the page begins. */
  list?: 'after' | 'since';
  run: (call: Call) => Reply;
}

export interface Match {
  route: Route;
  id: number;
}

/** The route that answers, or null. */
export function findRoute(routes: Route[], method: string, path: string): Match | null {
  const id = path.split('/').find((part) => /^\d{1,15}$/.test(part));
  const shape = id === undefined ? path : path.replace(`/${id}`, '/:id');
  const route = routes.find((one) => one.method === method && one.path === shape);
  return route ? { route, id: Number(id ?? 0) } : null;
}
