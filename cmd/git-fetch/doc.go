// Git-fetch reads Kubernetes manifests out of git repositories and writes them as a stream.
//
// Usage:
//
//	git-fetch [flags] URL...
//	git-fetch [flags] --sources FILE
//	… | git-fetch mark [flags]
//
// For each repository it writes a source record, which says at which commit it stands and where
// the commit's objects are, and one manifest record for each object. It reads nothing from
// standard input.
//
//	git-fetch --branch main --path deploy https://git.example/team/config.git | kapply --prune
//
// Several repositories are fetched side by side and written in the order given. A repository
// that cannot be fetched is an error record; the others go ahead. So are a file that is not valid
// YAML, with its line, and an object that is written twice: the rest of the source goes ahead,
// and the end record says that the source is incomplete, so that nothing of it gets deleted.
//
// # Repositories
//
// A URL is https, http, ssh://user@host/path or user@host:path. Never file:, a local path, a
// command, or one with a password in it. url.<base>.insteadOf of the system's and the user's
// git configuration is honoured; records and messages name the URL as it was given.
//
// A source is known by its name: the last path element of the URL without ".git", or what --name
// says. URL, branch and paths of a source may change; objects are tracked by its name.
//
// # Credentials
//
// For https: --token-file, a file whose first line is a token or password. The user name is
// the URL's (https://user@host/path), else x-access-token. For ssh: --ssh-key, a private key
// without passphrase, else the agent at SSH_AUTH_SOCK. The host's key must be in the file of
// --known-hosts, else in those of SSH_KNOWN_HOSTS, else in ~/.ssh/known_hosts or
// /etc/ssh/ssh_known_hosts; there is no way to switch that off. ~/.ssh/config is not read.
//
// # The mirror
//
// Each repository has a bare mirror below --mirror, by default sluice/git in the user's cache
// folder, from which the later stages of the pipe read. It is closed to other users, and must
// stay so. Where nothing is new upstream a run costs one listing of refs. A mirror can be deleted
// at any time between runs.
//
// # Manifests
//
// All files that end in .yaml or .yml at or below the paths are read, in the order of their names.
// Folders with a Chart.yaml are Helm charts and are left out. Documents with none of kind,
// apiVersion and metadata at their top are no manifests and are left out, and so are
// kustomizations. Lists are taken apart. Symbolic links to files are followed inside the repository, those to
// folders are not. What YAML means is what kubectl takes it for, see package manifest.
//
// # A file of sources
//
// --sources reads the repositories from a YAML file:
//
//	sources:
//	- url: https://git.example/team/config.git
//	  name: config              # default: from the URL
//	  branch: main              # default: the remote's HEAD
//	  paths: [clusters/prod]    # default: everything
//	  tokenFile: config.token   # or sshKey and knownHosts; from the file's folder
//	- url: git@git.example:team/apps.git
//	  sshKey: /etc/sluice/apps_ed25519
//	  knownHosts: /etc/sluice/known_hosts
//
// --ssh-key, --known-hosts and --token-file are for those that name none.
//
// # Marking what was applied
//
// git-fetch mark reads a stream that kapply or helm-reconcile has applied, and moves a lightweight
// tag, flux-sync if no other is named, to the commit of each source in it. A stream that was not
// applied, in which anything failed, or that comes from a dry run moves no tag (exit code 4); a source
// that is not whole keeps its own. It costs two listings of refs and a push without objects, one
// listing where the tag is right.
//
//	git-fetch https://git.example/team/config.git | kapply --prune | git-fetch mark
package main
