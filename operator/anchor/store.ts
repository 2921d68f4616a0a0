/** A tenant by the id that its data carries, and by the name of its resource. */
export interface AnchoredTenant {
  readonly id: string;
  readonly name: string;
}

/**
 * Where a tenant's newest signed checkpoint is kept, outside the database: what the database can't take back.
 * In standalone a file by its name; in Kubernetes the Tenant's status, or, where the resource is
 * gone, what `AnchorKeeper` keeps.
 */
export interface AnchorStore {
  /** The signed note; undefined when none was ever written. Rejects when it cannot tell. */
  read(tenant: AnchoredTenant): Promise<string | undefined>;
  /** Noted when it resolves: what `read` answers from then on. Where it is kept may have it later, and by then a newer one. */
  write(tenant: AnchoredTenant, note: string): Promise<void>;
  /** The tenant's data has been deleted: its anchor is of no use any more. No error where there is none. */
  forget?(tenant: AnchoredTenant): Promise<void>;
  /** Told of a tenant whose anchor turns out to be another one than `read` has answered. @returns ends it */
  onDiffering?(listener: (tenant: AnchoredTenant) => void): () => void;
}

/** Where the anchors of tenants whose resource is gone are kept, by the id that their data carries. Only where resources are deleted. */
export interface AnchorKeeper {
  retain(tenantId: string, note: string): Promise<void>;
  /** Undefined: none is kept. Rejects when it cannot tell. */
  retained(tenantId: string): Promise<string | undefined>;
  /** It is kept elsewhere again, or no more. No error where none is kept. */
  drop(tenantId: string): Promise<void>;
}
