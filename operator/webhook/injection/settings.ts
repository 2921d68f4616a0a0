/** Compute resources of a container, as Kubernetes writes them. */
export interface Resources {
  readonly requests: Readonly<Record<string, string>>;
  readonly limits: Readonly<Record<string, string>>;
}

/** A key of a ConfigMap that the operator keeps in every namespace with injection. */
export interface ConfigMapKey {
  readonly name: string;
  readonly key: string;
}

/** What pods are injected with. */
export interface InjectionSettings {
  readonly images: {
    readonly heauth: string;
    readonly envoy: string;
    readonly pullPolicy: "Always" | "IfNotPresent" | "Never";
  };
  /** `https://HOST:PORT` of the hub, as pods reach it. */
  readonly hub: string;
  readonly hubCa: ConfigMapKey;
  readonly identityKeys: ConfigMapKey;
  /** The sidecar's and Envoy's own users, which no app may be; Envoy reads what the sidecar writes by their group. */
  readonly ids: { readonly sidecar: number; readonly envoy: number; readonly group: number };
  /** Ports that no app may have. Where all inbound TCP goes, and what the kubelet asks. */
  readonly ports: { readonly envoy: number; readonly health: number };
  /** The most that the write-ahead log may take, in MiB. */
  readonly walQuota: number;
  /** Whether a pod that keeps its name may bring a claim for its log, which outlives it then. */
  readonly walClaims: boolean;
  readonly resources: { readonly redirect: Resources; readonly heauth: Resources; readonly envoy: Resources };
  /** heauth's own namespace: nothing is injected there. */
  readonly namespace: string;
}
