// What a command inside a namespace is kept from: daemons of the host that would resolve, fetch or start something for
// it outside, unseen, and root's rights over namespaces. Mounts of its own hide the former, setpriv takes the latter.

/** Whom a command runs as; null fields of the account are unknown to the system. */
export interface CallingUser {
  readonly uid: number;
  readonly gid: number;
  readonly name: string | null;
  readonly home: string | null;
}

/** Who answers names for others. */
const resolverPlaces = ['/run/systemd/resolve', '/run/nscd', '/run/avahi-daemon'];

/** Who does things for others: the system bus and what it activates, container daemons, package daemons. */
const daemonPlaces = [
  '/run/dbus',
  '/run/systemd/private',
  '/run/containerd',
  '/run/docker',
  '/run/docker.sock',
  '/run/podman',
  '/run/crio',
  '/run/libvirt',
  '/run/lxd',
  '/run/incus',
  '/run/snapd.socket',
  '/run/snapd-snap.socket',
];

/** By these, root leaves a namespace, or brings an interface of another one into its own (capabilities(7)). */
const withheldRights =
  '-sys_admin,-net_admin,-sys_ptrace,-sys_module,-sys_rawio,-sys_boot,-dac_read_search,-bpf,-perfmon';

// A constant text: the file, the places and the command arrive as its positional arguments.
const mountScript = [
  'target=$(readlink -f /etc/resolv.conf) || exit 69',
  'file=$1; shift',
  'while [ "$1" != -- ]; do',
  '  if [ -d "$1" ]; then mount -t tmpfs -o "size=64k,$2" tmpfs "$1" || exit 69',
  '  elif [ -e "$1" ]; then mount --bind /dev/null "$1" || exit 69; fi',
  '  shift 2',
  'done',
  'shift',
  // systemd-resolved keeps the file that it makes in a folder that is hidden by now.
  '[ -e "$target" ] || : > "$target" || exit 69',
  'mount --bind "$file" "$target" || exit 69',
  'exec "$@"',
].join('\n');

/** The command in front that gives what follows mounts of its own, private to it. */
export function mountArguments(
  resolvConf: string,
  user: CallingUser | null,
  isConfined: boolean,
): readonly string[] {
  const places = isConfined ? [...resolverPlaces, ...daemonPlaces] : resolverPlaces;
  const hidden = places.flatMap((place) => [place, 'mode=755']);
  // The user's own bus and its systemd would start anything outside.
  const [uid, gid] = [user?.uid ?? 0, user?.gid ?? 0];
  if (isConfined) hidden.push(`/run/user/${uid}`, `mode=700,uid=${uid},gid=${gid}`);
  const own = ['unshare', '--mount', '--propagation', 'private'];
  return [...own, 'sh', '-c', mountScript, 'sh', resolvConf, ...hidden, '--'];
}

/** The command in front that makes what follows the user's, without the rights that are withheld from root. */
export function rightsArguments(user: CallingUser | null, isConfined: boolean): readonly string[] {
  const groups = user?.name === null ? '--clear-groups' : '--init-groups';
  const wanted = [
    ...(isConfined ? ['--bounding-set', withheldRights, '--inh-caps', withheldRights] : []),
    ...(user === null ? [] : ['--reuid', String(user.uid), '--regid', String(user.gid), groups]),
  ];
  return wanted.length === 0 ? [] : ['setpriv', ...wanted, '--'];
}
