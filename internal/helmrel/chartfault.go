package helmrel

import (
	"crypto/x509"
	"errors"
	"net/http"
)

// CodeUnverified is the code of a release whose chart lacks a good signature.
const CodeUnverified = "unverified-chart"

// chartFault is the code and the hint of what goes wrong with charts; empty for anything else.
func chartFault(err error) (code, hint string) {
	var missing *MissingDependency
	var host *UntrustedHost
	var unverified *Unverified
	var token *TokenHost
	var answer *answered
	var authority x509.UnknownAuthorityError
	switch {
	case errors.As(err, &missing) && missing.Packed:
		return "missing-dependency", "it was published without it; another version of the chart may have it"
	case errors.As(err, &missing):
		return "missing-dependency", "leave out spec.chart.skipDepUpdate, or run helm dependency build and commit charts/"
	case errors.As(err, &unverified):
		return CodeUnverified, "sign it with helm package --sign and publish the .prov file, or add its signer's public key to the file of --keyring"
	case errors.As(err, &token):
		return "token-host", "--token-host " + token.Host + " allows it"
	case errors.As(err, &host):
		return "chart", "credentials are offered to the host of the source only; --chart-host " + host.Host + " names another, and spec.chart.secretRef brings others"
	case errors.As(err, &answer) && (answer.code == http.StatusUnauthorized || answer.code == http.StatusForbidden):
		return "chart", "spec.chart.chartPullSecret, --repository-config and, for oci://, --docker-config give credentials"
	case errors.As(err, &authority):
		return "chart", "--ca-file FILE names authorities that are trusted besides the system's"
	}
	return "", ""
}
