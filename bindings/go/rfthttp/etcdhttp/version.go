package etcdhttp

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// What this package says it is, and the oldest cluster it can be a part of: etcd's nodes speak to none without these.
const (
	serverVersion = "3.6.0"
	minCluster    = "3.0.0"
)

const (
	headerVersion    = "X-Server-Version"
	headerMinCluster = "X-Min-Cluster-Version"
	headerCluster    = "X-Etcd-Cluster-Id"
	headerFrom       = "X-Server-From"
	headerTo         = "X-Raft-To"
	headerURLs       = "X-Peerurls"
)

var (
	errVersion = errors.New("incompatible version")
	errCluster = errors.New("cluster ID mismatch")
)

// version is major and minor, which is what counts.
type version struct{ major, minor uint64 }

func parseVersion(text string) (version, error) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) < 3 {
		return version{}, errVersion
	}
	major, err := strconv.ParseUint(parts[0], 10, 32)
	minor, err2 := strconv.ParseUint(parts[1], 10, 32)
	if err != nil || err2 != nil {
		return version{}, errVersion
	}
	return version{major, minor}, nil
}

func (v version) before(other version) bool {
	return v.major < other.major || v.major == other.major && v.minor < other.minor
}

// checkVersions says whether a node with these headers and this one can be in one cluster. Neither header counts as 2.0,
// as it does in etcd.
func checkVersions(header http.Header) error {
	mine, oldest := version{3, 6}, version{3, 0}
	theirs, err := parseVersion(header.Get(headerVersion))
	least, err2 := parseVersion(header.Get(headerMinCluster))
	if err != nil || err2 != nil || theirs.before(oldest) || mine.before(least) {
		return errVersion
	}
	return nil
}

func inHex(id uint64) string { return strconv.FormatUint(id, 16) }
