import { type CallOptions, call } from "./call.ts";
import { ClusterError } from "./errors.ts";
import type { Exchange, Outgoing } from "./exchange.ts";
import type { KubeObject, ObjectName, WatchEvent } from "./objects.ts";
import { type Place, pathOf, placeText, queryOf } from "./paths.ts";
import { apiVersionOf, type ResourceType } from "./resource-types.ts";
import { watch } from "./watch.ts";

export interface Selection {
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListOptions extends Selection {
  /** Objects per page. */
  readonly limit?: number;
  readonly continueToken?: string;
  readonly resourceVersion?: string;
}

export interface Page<T extends KubeObject> {
  readonly items: T[];
  readonly resourceVersion: string;
  /** There are more. */
  readonly continueToken?: string;
}

export interface WatchOptions extends Selection {
  /** From where on. */
  readonly resourceVersion: string;
  /** Bookmarks say how far the watch is while nothing happens, at most once a minute; true unless given. */
  readonly allowBookmarks?: boolean;
  /** After how long the server ends it. */
  readonly timeoutSeconds?: number;
  /** Called when the server has accepted it. */
  readonly onOpen?: () => void;
}

/** An API server's objects. Each call has a deadline; it rejects with ClusterError, or with its own signal's reason. */
export interface ClusterClient {
  get<T extends KubeObject>(type: ResourceType, name: ObjectName, options?: CallOptions): Promise<T>;
  list<T extends KubeObject>(type: ResourceType, list: ListOptions, options?: CallOptions): Promise<Page<T>>;
  create<T extends KubeObject>(type: ResourceType, object: T, options?: CallOptions): Promise<T>;
  /** POST to a subresource, such as a service account's `token`. */
  createAt<T>(
    type: ResourceType,
    name: ObjectName,
    subresource: string,
    body: unknown,
    options?: CallOptions,
  ): Promise<T>;
  /** Server-side apply; takes fields over from other managers unless `force` is false (then `Conflict`). */
  apply<T extends KubeObject>(
    type: ResourceType,
    object: T,
    apply: { readonly fieldManager: string; readonly force?: boolean; readonly subresource?: "status" },
    options?: CallOptions,
  ): Promise<T>;
  /** PUT; with a `metadata.resourceVersion` that is not the newest: `Conflict`. */
  replace<T extends KubeObject>(
    type: ResourceType,
    object: T,
    replace?: { readonly subresource?: "status" },
    options?: CallOptions,
  ): Promise<T>;
  /** JSON merge patch (RFC 7396). */
  patch<T extends KubeObject>(
    type: ResourceType,
    name: ObjectName,
    mergePatch: unknown,
    patch?: { readonly subresource?: "status"; readonly fieldManager?: string },
    options?: CallOptions,
  ): Promise<T>;
  /** An object that is not there is `NotFound`; one with another uid or resource version is `Conflict`. */
  remove(
    type: ResourceType,
    name: ObjectName,
    only?: { readonly uid?: string; readonly resourceVersion?: string },
    options?: CallOptions,
  ): Promise<void>;
  /** Resolves when the server ends it; rejects with ClusterError (`Gone`: list again), or with the signal's reason. */
  watch<T extends KubeObject>(
    type: ResourceType,
    watch: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void>;
}

export function createClient(exchange: Exchange): ClusterClient {
  const ask = (request: Outgoing, options?: CallOptions) => call(exchange, request, options) as Promise<never>;

  return {
    get: async (type, name, options) => ask(outgoing("GET", "get", type, name), options),
    async list<T extends KubeObject>(type: ResourceType, list: ListOptions, options?: CallOptions) {
      const { namespace, labelSelector, fieldSelector, limit, continueToken, resourceVersion } = list;
      const query = queryOf({ labelSelector, fieldSelector, limit, continue: continueToken, resourceVersion });
      const answer: ListAnswer<T> = await ask(outgoing("GET", "list", type, { namespace }, { query }), options);
      return pageOf(type, answer);
    },
    create: async (type, object, options) => {
      const { namespace } = object.metadata;
      return ask(
        outgoing("POST", "create", type, { namespace: inNamespace(type, namespace) }, { body: typed(type, object) }),
        options,
      );
    },
    createAt: async (type, name, subresource, body, options) =>
      ask(outgoing("POST", "create", type, { ...name, subresource }, { body }), options),
    apply: async (type, object, { fieldManager, force = true, subresource }, options) => {
      const place = { ...placeOf(type, object), subresource };
      const extra = { query: queryOf({ fieldManager, force }), contentType: "application/apply-patch+yaml" };
      return ask(outgoing("PATCH", "apply", type, place, { ...extra, body: typed(type, object) }), options);
    },
    replace: async (type, object, { subresource } = {}, options) => {
      const place = { ...placeOf(type, object), subresource };
      return ask(outgoing("PUT", "replace", type, place, { body: typed(type, object) }), options);
    },
    patch: async (type, name, mergePatch, { subresource, fieldManager } = {}, options) => {
      const extra = { query: queryOf({ fieldManager }), contentType: "application/merge-patch+json" };
      return ask(outgoing("PATCH", "patch", type, { ...name, subresource }, { ...extra, body: mergePatch }), options);
    },
    remove: async (type, name, only, options) => {
      const body = { kind: "DeleteOptions", apiVersion: "v1", ...(only && { preconditions: only }) };
      await ask(outgoing("DELETE", "remove", type, name, { body }), options);
    },
    watch: async (type, options, onEvent, signal) => {
      const { namespace, labelSelector, fieldSelector, resourceVersion, timeoutSeconds, onOpen } = options;
      const { allowBookmarks: allowWatchBookmarks = true } = options;
      const query = { labelSelector, fieldSelector, resourceVersion, allowWatchBookmarks, timeoutSeconds };
      const request = outgoing("GET", "watch", type, { namespace }, { query: queryOf({ watch: true, ...query }) });
      await watch(exchange, request, { onEvent, onOpen }, signal);
    },
  };
}

function outgoing(
  method: Outgoing["method"],
  verb: string,
  type: ResourceType,
  place: Place,
  { query = "", ...content }: { query?: string; body?: unknown; contentType?: string } = {},
): Outgoing {
  return { method, path: pathOf(type, place) + query, what: `${verb} ${placeText(type, place)}`, ...content };
}

function inNamespace({ namespaced, kind }: ResourceType, namespace: string | undefined): string | undefined {
  if (namespaced && namespace === undefined) throw new ClusterError("Invalid", `the ${kind} has no namespace`);
  return namespace;
}

function placeOf(type: ResourceType, { metadata: { namespace, name } }: KubeObject): Place {
  if (name === undefined) throw new ClusterError("Invalid", `the ${type.kind} has no name`);
  return { name, ...(namespace !== undefined && { namespace }) };
}

function typed<T extends KubeObject>(type: ResourceType, object: T): T {
  return { apiVersion: apiVersionOf(type), kind: type.kind, ...object };
}

interface ListAnswer<T> {
  items?: T[] | null;
  metadata?: { resourceVersion?: string; continue?: string };
}

function pageOf<T extends KubeObject>(type: ResourceType, { items, metadata }: ListAnswer<T>): Page<T> {
  if (metadata?.resourceVersion === undefined) {
    throw new ClusterError("ServerError", `list ${type.plural}: the answer is not a list`);
  }
  const { resourceVersion, continue: continueToken } = metadata;
  return { items: items ?? [], resourceVersion, ...(continueToken && { continueToken }) };
}
