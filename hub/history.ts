import type { OutboxEvent } from "@heauth/store";

/** How many of a tenant's events are kept for streams that come back. */
export const KEPT_EVENTS = 200;

interface TenantHistory {
  /** Dense; the last one is the head, unless there is none. */
  events: OutboxEvent[];
  head: number;
}

/** The newest events of each tenant, as far as they have been read. */
export interface History {
  /** Where each tenant's events are to be read on from. */
  cursors(): { tenantId: string; seq: number }[];
  head(tenantId: string): number | undefined;
  /** The tenant is here from now on, with nothing before `seq`. */
  begin(tenantId: string, seq: number): void;
  /** Adds the next event; false when it is not the next one. */
  add(event: OutboxEvent): boolean;
  /** Events after `seq`, or undefined where some of them are not kept, or there is no such place. */
  since(tenantId: string, seq: number): readonly OutboxEvent[] | undefined;
  /** The tenant is no more. */
  end(tenantId: string): void;
  clear(): void;
}

export function createHistory(): History {
  const tenants = new Map<string, TenantHistory>();

  return {
    cursors: () => [...tenants].map(([tenantId, { head }]) => ({ tenantId, seq: head })),
    head: (tenantId) => tenants.get(tenantId)?.head,
    begin(tenantId, seq) {
      tenants.set(tenantId, { events: [], head: seq });
    },
    add(event) {
      const tenant = tenants.get(event.tenantId);
      if (tenant === undefined || event.seq !== tenant.head + 1) return false;
      tenant.head = event.seq;
      tenant.events.push(event);
      if (tenant.events.length > 2 * KEPT_EVENTS) tenant.events = tenant.events.slice(-KEPT_EVENTS);
      return true;
    },
    since(tenantId, seq) {
      const tenant = tenants.get(tenantId);
      if (tenant === undefined || seq > tenant.head) return undefined;
      const missing = tenant.head - seq;
      return missing <= tenant.events.length ? tenant.events.slice(tenant.events.length - missing) : undefined;
    },
    end: (tenantId) => void tenants.delete(tenantId),
    clear: () => tenants.clear(),
  };
}
