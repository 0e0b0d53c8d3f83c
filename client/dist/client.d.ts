/**
 * A client of Openchair's API: every path, parameter and answer is typed from `openapi.json`. Needs nothing but
 * `fetch`: Node 20 or newer, or anything else that has it.
 */
import type { Operations, PageInfo } from './operations.js';
export type * from './operations.js';
export * from './webhooks.js';
export interface ClientOptions {
    /** Where Openchair answers: `https://chairs.example.org`. */
    baseUrl: string;
    /** An API key, or a token of `POST /authenticates`. */
    key: string;
    /** The institution that is meant by every request that names no other. */
    subdomain?: string;
}
export interface RequestOptions {
    /** Makes a repeated write safe: the same key and request give the same answer. */
    idempotencyKey?: string;
    /** Ends the request early. Without one it ends after 30 s. */
    signal?: AbortSignal;
}
/** What Openchair answers when it does what was asked. */
export interface Answer<Data> {
    code: true;
    description: string | null;
    error: string[];
    data: Data;
    count: number | null;
    page_info: PageInfo;
}
type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';
type Key<M extends Method, Path extends string> = `${M} ${Path}` & keyof Operations;
/** The paths that a method has. */
export type PathOf<M extends Method> = keyof Operations extends infer K ? K extends `${M} ${infer P}` ? P : never : never;
/** What a request may say: the parameters of path, query and body in one. */
export type ParamsOf<M extends Method, Path extends string> = Operations[Key<M, Path>]['params'];
/** What is in `data` of its answer. */
export type DataOf<M extends Method, Path extends string> = Operations[Key<M, Path>]['data'];
type Arguments<Params> = {} extends Params ? [params?: Params, options?: RequestOptions] : [params: Params, options?: RequestOptions];
/** Paths whose rows come in pages. */
export type PagedPath = {
    [P in PathOf<'GET'>]: 'end_cursor' extends keyof ParamsOf<'GET', P> ? DataOf<'GET', P> extends unknown[] ? P : never : never;
}[PathOf<'GET'>];
type Row<Data> = Data extends (infer One)[] ? One : never;
export interface Client {
    get<P extends PathOf<'GET'>>(path: P, ...rest: Arguments<ParamsOf<'GET', P>>): Promise<Answer<DataOf<'GET', P>>>;
    post<P extends PathOf<'POST'>>(path: P, ...rest: Arguments<ParamsOf<'POST', P>>): Promise<Answer<DataOf<'POST', P>>>;
    patch<P extends PathOf<'PATCH'>>(path: P, ...rest: Arguments<ParamsOf<'PATCH', P>>): Promise<Answer<DataOf<'PATCH', P>>>;
    delete<P extends PathOf<'DELETE'>>(path: P, ...rest: Arguments<ParamsOf<'DELETE', P>>): Promise<Answer<DataOf<'DELETE', P>>>;
    /** Every row of a list, read page by page while it is walked. */
    each<P extends PagedPath>(path: P, ...rest: Arguments<ParamsOf<'GET', P>>): AsyncGenerator<Row<DataOf<'GET', P>>, void>;
}
/** A refusal. `messages` are for people, `code` is for programs: docs/errors.md says what to do about each. */
export declare class OpenchairError extends Error {
    name: string;
    readonly status: number;
    /** Null when it was not Openchair that answered, but something before it. */
    readonly code: string | null;
    readonly messages: string[];
    /** How long to wait before the next try, where the answer says so. */
    readonly retryAfterSeconds: number | null;
    constructor(status: number, code: string | null, messages: string[], retryAfterSeconds: number | null);
}
/**
 * Speaks v3.0.0. Each call throws `OpenchairError` for a refusal, and what `fetch` throws when nothing answers.
 * Nothing is tried again by itself.
 */
export declare function createClient({ baseUrl, key, subdomain }: ClientOptions): Client;
