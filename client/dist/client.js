export * from './webhooks.js';
/** A refusal. `messages` are for people, `code` is for programs: docs/errors.md says what to do about each. */
export class OpenchairError extends Error {
    name = 'OpenchairError';
    status;
    /** Null when it was not Openchair that answered, but something before it. */
    code;
    messages;
    /** How long to wait before the next try, where the answer says so. */
    retryAfterSeconds;
    constructor(status, code, messages, retryAfterSeconds) {
        super(messages.join('; ') || `answered with status ${status}`);
        this.status = status;
        this.code = code;
        this.messages = messages;
        this.retryAfterSeconds = retryAfterSeconds;
    }
}
const TIMEOUT_MS = 30_000;
/**
 * Speaks v3.0.0. Each call throws `OpenchairError` for a refusal, and what `fetch` throws when nothing answers.
 * Nothing is tried again by itself.
 */
export function createClient({ baseUrl, key, subdomain }) {
    async function request(method, template, params = {}, options = {}) {
        const rest = { ...params };
        const path = template.replace(/\{(\w+)\}/g, (_place, name) => {
            const value = String(rest[name] ?? '');
            // Dots would be another path: no encoding keeps a URL from being shortened by them.
            if (/^\.{0,2}$/.test(value))
                throw new TypeError(`${method} ${template} needs ${name}`);
            delete rest[name];
            return encodeURIComponent(value);
        });
        const hasBody = method === 'POST' || method === 'PATCH';
        const institution = rest.subdomain ?? subdomain;
        delete rest.subdomain;
        const query = new URLSearchParams(institution === undefined ? {} : { subdomain: String(institution) });
        if (!hasBody)
            addTo(query, rest);
        const text = query.toString();
        const response = await fetch(`${baseUrl.replace(/\/+$/, '')}${path}${text === '' ? '' : `?${text}`}`, {
            method,
            headers: {
                authorization: key,
                accept: 'application/json',
                'nex-api-version': 'v3.0.0',
                ...(hasBody && { 'content-type': 'application/json' }),
                ...(options.idempotencyKey !== undefined && { 'idempotency-key': options.idempotencyKey }),
            },
            ...(hasBody && { body: JSON.stringify(rest) }),
            signal: options.signal ?? AbortSignal.timeout(TIMEOUT_MS),
        });
        return read(response);
    }
    async function* each(path, params = {}, options = {}) {
        for (let cursor = params.end_cursor;;) {
            const { data, page_info } = await request('GET', path, { ...params, end_cursor: cursor }, options);
            yield* data;
            if (!page_info.has_next_page || page_info.end_cursor === null)
                return;
            cursor = page_info.end_cursor;
        }
    }
    const calling = (method) => (path, params, options) => request(method, path, params, options);
    return {
        get: calling('GET'),
        post: calling('POST'),
        patch: calling('PATCH'),
        delete: calling('DELETE'),
        each,
    };
}
/** Lists with brackets; what is absent is left out. */
function addTo(query, params) {
    for (const [name, value] of Object.entries(params)) {
        if (value === undefined || value === null)
            continue;
        if (Array.isArray(value))
            for (const entry of value)
                query.append(`${name}[]`, String(entry));
        else
            query.append(name, String(value));
    }
}
const NO_PAGES = { has_previous_page: false, has_next_page: false, start_cursor: null, end_cursor: null };
async function read(response) {
    const text = await response.text();
    if (response.status === 204) {
        return { code: true, description: null, error: [], data: null, count: null, page_info: NO_PAGES };
    }
    const envelope = parse(text);
    if (response.ok && envelope?.code === true)
        return envelope;
    const retryAfter = Number.parseInt(response.headers.get('retry-after') ?? '', 10);
    throw new OpenchairError(response.status, response.headers.get('openchair-error-code'), Array.isArray(envelope?.error) ? envelope.error.map(String) : [], Number.isNaN(retryAfter) ? null : retryAfter);
}
function parse(text) {
    try {
        const value = JSON.parse(text);
        return typeof value === 'object' && value !== null ? value : null;
    }
    catch {
        return null;
    }
}
