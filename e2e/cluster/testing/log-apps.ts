const CLAIM = "heauth-wal";
/** So that whatever ends, ends soon. */
const GRACE_SECONDS = 5;

/** Manifests of apps beside a scene's own: `kept`, a StatefulSet whose sidecar's log is on a claim, and the pod `orderly`. */
export function logApps(image: string): string {
  const labels = { app: "kept" };
  const kept = {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "kept" },
    spec: {
      serviceName: "app",
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { ...appSpec(image), securityContext: { fsGroup: 2000 } } },
      volumeClaimTemplates: [
        {
          metadata: { name: CLAIM },
          spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "2Gi" } } },
        },
      ],
    },
  };
  const orderly = podNamed("orderly", appSpec(image));
  return JSON.stringify({ apiVersion: "v1", kind: "List", items: [kept, orderly] });
}

/** A pod such as the StatefulSet's second one. */
export function podWithClaim(image: string, fsGroup: number | undefined): string {
  const volumes = [{ name: CLAIM, persistentVolumeClaim: { claimName: `${CLAIM}-kept-1` } }];
  const securityContext = fsGroup === undefined ? {} : { fsGroup };
  return JSON.stringify(podNamed("kept-1", { ...appSpec(image), volumes, securityContext }, "kept"));
}

function podNamed(name: string, spec: object, app = name): object {
  return { apiVersion: "v1", kind: "Pod", metadata: { name, labels: { app } }, spec };
}

function appSpec(image: string): object {
  const readinessProbe = { httpGet: { path: "/", port: 8080 }, periodSeconds: 1, timeoutSeconds: 5 };
  const container = { name: "app", image, imagePullPolicy: "IfNotPresent", args: ["listen", "8080"], readinessProbe };
  return { terminationGracePeriodSeconds: GRACE_SECONDS, containers: [container] };
}
