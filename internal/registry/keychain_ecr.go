package registry

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
	"github.com/google/go-containerregistry/pkg/authn"
)

// ECR are the private registries of Amazon's cloud, ACCOUNT.dkr.ecr.REGION.amazonaws.com[.cn]. A
// login is asked for with the credentials that Amazon's SDK finds: in the environment, in ~/.aws, of
// the pod, of the machine.
type ECR struct {
	// Regions and Accounts are those to be scanned; empty for all. Not is left out in any case.
	Regions, Accounts, Not []string
}

// SystemAccounts hold the images of Amazon's own components of a cluster, which nobody updates by
// their tags.
var SystemAccounts = []string{"602401143452", "918309763551"}

var ecrHost = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.([a-z0-9]+(?:-[a-z0-9]+)+)\.amazonaws\.com(\.cn)?$`)

// parseECR reads an account and a region out of a host; empty for any other host, one with a port
// included.
func parseECR(host string) (account, region string) {
	if m := ecrHost.FindStringSubmatch(strings.ToLower(host)); m != nil && (m[3] != "") == strings.HasPrefix(m[2], "cn-") {
		return m[1], m[2]
	}
	return "", ""
}

// Excluded says why images of a host are not to be scanned; empty where they are.
func (e *ECR) Excluded(host string) string {
	account, region := parseECR(host)
	switch {
	case account == "":
		return ""
	case slices.Contains(e.Not, account), len(e.Accounts) > 0 && !slices.Contains(e.Accounts, account):
		return "the account " + account + " is not to be scanned"
	case len(e.Regions) > 0 && !slices.Contains(e.Regions, region):
		return "the region " + region + " is not to be scanned"
	}
	return ""
}

func (e *ECR) scope(host string) string {
	if e.Excluded(host) != "" {
		return ""
	}
	_, region := parseECR(host)
	return region
}

// login asks a region for a token, which is good for every account there that the identity may read.
func (e *ECR) login(ctx context.Context, region string, secret func(...string)) (*authn.AuthConfig, error) {
	config, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, errors.New("reading the configuration of AWS: it cannot be read")
	}
	identity, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding an identity for AWS: %s", awsWords(ctx, err))
	}
	secret(identity.SecretAccessKey, identity.SessionToken)
	answer, err := ecr.NewFromConfig(config, func(o *ecr.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return identity, nil })
	}).GetAuthorizationToken(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("asking ECR in %s for a login: %s", region, awsWords(ctx, err))
	}
	for _, data := range answer.AuthorizationData {
		token, err := base64.StdEncoding.DecodeString(aws.ToString(data.AuthorizationToken))
		if user, password, ok := strings.Cut(string(token), ":"); err == nil && ok {
			return &authn.AuthConfig{Username: user, Password: password}, nil
		}
	}
	return nil, fmt.Errorf("asking ECR in %s for a login: the answer holds none", region)
}

// awsWords is what went wrong, without what the library shows of requests, answers and the output of
// programs.
func awsWords(ctx context.Context, err error) string {
	var api smithy.APIError
	var network *net.OpError
	switch {
	case errors.As(err, &api) && api.ErrorCode() != "":
		return api.ErrorCode() + words(api.ErrorMessage())
	case ctx.Err() != nil:
		return "no answer in time"
	case strings.Contains(err.Error(), "no EC2 IMDS role found"):
		return "there is none in the environment, in ~/.aws, of the pod or of the machine"
	case errors.As(err, &network):
		return network.Op + ": " + network.Err.Error()
	}
	return "aws sts get-caller-identity shows why"
}
