package registry

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// Which hosts belong to which cloud. Nobody else's host may be offered a cloud's login.
func TestCloudHosts(t *testing.T) {
	all := &ECR{}
	for host, want := range map[string]string{
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com":           "ECR eu-west-1",
		"123456789012.dkr.ecr.us-gov-east-1.amazonaws.com":       "ECR us-gov-east-1",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn":       "ECR cn-north-1",
		"123456789012.DKR.ecr.eu-west-1.amazonaws.com":           "ECR eu-west-1",
		"123456789012.dkr.ecr.cn-north-1.amazonaws.com":          "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.cn":        "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com:8443":      "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.test": "",
		"x123456789012.dkr.ecr.eu-west-1.amazonaws.com":          "",
		"12345678901.dkr.ecr.eu-west-1.amazonaws.com":            "",
		"123456789012.dkr.ecr.eu-west-1.amazonaws.org":           "",
		"123456789012.dkr.ecr.eu.west.amazonaws.com":             "",
		"123456789012.dkr.ecr..amazonaws.com":                    "",
		"123456789012.dkr-ecr.eu-west-1.amazonaws.com":           "",
		"public.ecr.aws":                   "",
		"amazonaws.com":                    "",
		"gcr.io":                           "Google",
		"eu.gcr.io":                        "Google",
		"GCR.io":                           "Google",
		"europe-west1-docker.pkg.dev":      "Google",
		"a.b.gcr.io":                       "",
		"notgcr.io":                        "",
		"gcr.io.evil.test":                 "",
		"gcr.io:443":                       "",
		"docker.pkg.dev":                   "",
		"-docker.pkg.dev.evil.test":        "",
		"evil.test-docker.pkg.dev":         "",
		"europe-west1-docker.pkg.dev.test": "",
		"europe-west1-maven.pkg.dev":       "",
		"team.azurecr.io":                  "",
		"index.docker.io":                  "",
		"localhost:5000":                   "",
	} {
		got := ""
		if region := all.scope(host); region != "" {
			got = "ECR " + region
		}
		if (&Google{}).scope(host) != "" {
			got += "Google"
		}
		if got != want {
			t.Errorf("%s belongs to %q, want %q", host, got, want)
		}
	}
}

// Which of Amazon's registries are scanned: flux-v1's rules, 5.1 and 5.6.
func TestECRSelection(t *testing.T) {
	const host = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
	const system = "602401143452.dkr.ecr.us-west-2.amazonaws.com"
	for _, test := range []struct {
		name, host string
		rules      ECR
		want       string
	}{
		{"all", host, ECR{}, ""},
		{"the accounts of Amazon's own", system, ECR{Not: SystemAccounts}, "the account 602401143452 is not to be scanned"},
		{"the other of them", "918309763551.dkr.ecr.cn-north-1.amazonaws.com.cn", ECR{Not: SystemAccounts}, "the account 918309763551 is not to be scanned"},
		{"they can be had", system, ECR{Not: []string{"123456789012"}}, ""},
		{"included", host, ECR{Accounts: []string{"000000000000", "123456789012"}}, ""},
		{"not included", host, ECR{Accounts: []string{"000000000000"}}, "the account 123456789012 is not to be scanned"},
		{"excluding wins", host, ECR{Accounts: []string{"123456789012"}, Not: []string{"123456789012"}}, "the account 123456789012 is not to be scanned"},
		{"in the region", host, ECR{Regions: []string{"us-east-1", "eu-west-1"}}, ""},
		{"out of the region", host, ECR{Regions: []string{"us-east-1"}}, "the region eu-west-1 is not to be scanned"},
		{"somebody else's host", "quay.io", ECR{Regions: []string{"us-east-1"}, Accounts: []string{"000000000000"}}, ""},
		{"nearly Amazon's host", host + ".evil.test", ECR{Not: []string{"123456789012"}}, ""},
	} {
		if got := test.rules.Excluded(test.host); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if scope := test.rules.scope(test.host); test.want != "" && scope != "" {
			t.Errorf("%s: a login for %s would be asked", test.name, scope)
		}
	}
}

// bare environment: no cloud is reached, and no file of the person who runs the tests is read.
func noCloud(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
		"GOOGLE_APPLICATION_CREDENTIALS", "GCE_METADATA_HOST"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// cloud is a stand-in for a cloud's own services on loopback, no cloud. It counts its requests.
func standIn(t *testing.T, handler http.HandlerFunc) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = &atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

const ecrOne, ecrTwo = "111111111111.dkr.ecr.eu-west-1.amazonaws.com", "222222222222.dkr.ecr.eu-west-1.amazonaws.com"

// cloudWorld is a registry under the names of clouds' hosts.
func cloudWorld(t *testing.T, hosts ...string) (w *world, offered *[]string, client func(func(*Options)) *Client) {
	t.Helper()
	w, offered = loginWorld(t)
	registry := w.registry
	for _, host := range hosts {
		w.Handle(host, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			user, password, ok := r.BasicAuth()
			if !ok {
				rw.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				rw.WriteHeader(http.StatusUnauthorized)
				return
			}
			if strings.HasSuffix(r.URL.Path, "/tags/list") {
				*offered = append(*offered, host+" "+user+":"+password)
			}
			registry.ServeHTTP(rw, r)
		}))
	}
	return w, offered, func(change func(*Options)) *Client {
		return w.client(func(o *Options) {
			o.Insecure = append(o.Insecure, hosts...)
			o.Keychains = []Keychain{&ECR{}, &Google{}}
			if change != nil {
				change(o)
			}
		})
	}
}

// One login is asked of a region, for all accounts and repositories there. The endpoint is a stand-in.
func TestECRLogin(t *testing.T) {
	noCloud(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary-s3cret")
	address, requests := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/ecr/aws4_request") || !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".GetAuthorizationToken") || string(body) != "{}" {
			t.Errorf("%v %s", r.Header, body)
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q,"expiresAt":1.8e9,"proxyEndpoint":"https://111111111111.dkr.ecr.eu-west-1.amazonaws.com"}]}`,
			base64.StdEncoding.EncodeToString([]byte("AWS:ecr-token")))
	})
	t.Setenv("AWS_ENDPOINT_URL_ECR", address)
	_, offered, client := cloudWorld(t, ecrOne, ecrTwo)
	c := client(nil)
	for _, name := range []string{ecrOne + "/a", ecrOne + "/b", ecrTwo + "/a"} {
		if _, err := c.Tags(t.Context(), ref(t, name)); err != nil {
			t.Error(err)
		}
	}
	want := []string{ecrOne + " AWS:ecr-token", ecrOne + " AWS:ecr-token", ecrTwo + " AWS:ecr-token"}
	if fmt.Sprint(*offered) != fmt.Sprint(want) || requests.Load() != 1 {
		t.Errorf("offered %s after %d requests", *offered, requests.Load())
	}
}

// SAFETY 23: what AWS answers goes through the scrubber, with the identity's secrets known to it.
func TestSafety23ECRThatFails(t *testing.T) {
	for _, test := range []struct {
		name, answer string
		status       int
		env          map[string]string
		want         string
	}{
		{"refused", `{"__type":"InvalidSignatureException","message":"the canonical string: x-amz-security-token:canary-session secret canary-s3cret"}`, 400,
			map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "canary-s3cret", "AWS_SESSION_TOKEN": "canary-session"},
			"asking ECR in eu-west-1 for a login: InvalidSignatureException: the canonical string: x-amz-security-token:*** secret ***"},
		{"no login", `{"authorizationData":[]}`, 200, map[string]string{"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "canary-s3cret"},
			"asking ECR in eu-west-1 for a login: the answer holds none"},
		{"nobody", ``, 500, nil, "finding an identity for AWS: there is none in the environment, in ~/.aws, of the pod or of the machine"},
		{"no token file", ``, 500, map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token", "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/r"}, "finding an identity for AWS: aws sts get-caller-identity shows why"},
		{"a program's output", ``, 500, map[string]string{"AWS_CONFIG_FILE": "testdata/aws-config"}, "finding an identity for AWS: aws sts get-caller-identity shows why"},
	} {
		t.Run(test.name, func(t *testing.T) {
			noCloud(t)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			address, requests := standIn(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.answer)
			})
			t.Setenv("AWS_ENDPOINT_URL", address)
			_, offered, client := cloudWorld(t, ecrOne)
			c := client(nil)
			for range 2 {
				_, err := c.Tags(t.Context(), ref(t, ecrOne+"/a"))
				wantFault(t, err, Credential, "reading the credential for "+ecrOne+": "+test.want)
				if err != nil && strings.Contains(err.Error(), "canary") {
					t.Error(err)
				}
			}
			if len(*offered) != 0 || requests.Load() > 1 {
				t.Errorf("offered %s after %d requests", *offered, requests.Load())
			}
		})
	}
}

// The machine's identity is asked for once. Its service is a stand-in.
func TestGoogleLogin(t *testing.T) {
	noCloud(t)
	address, _ := standIn(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Metadata-Flavor") != "Google" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		w.Header().Set("Metadata-Flavor", "Google")
		if strings.HasSuffix(r.URL.Path, "/service-accounts/default/token") {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"access_token":"google-token","expires_in":3600,"token_type":"Bearer"}`)
		}
	})
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(address, "http://"))
	_, offered, client := cloudWorld(t, "eu.gcr.io", "europe-west1-docker.pkg.dev")
	c := client(nil)
	for _, name := range []string{"eu.gcr.io/a", "europe-west1-docker.pkg.dev/b"} {
		if _, err := c.Tags(t.Context(), ref(t, name)); err != nil {
			t.Error(err)
		}
	}
	if want := "[eu.gcr.io oauth2accesstoken:google-token europe-west1-docker.pkg.dev oauth2accesstoken:google-token]"; fmt.Sprint(*offered) != want {
		t.Errorf("offered %s", *offered)
	}
}

// SAFETY 23: a service account's key, and what a token service says of it, stay out of messages.
func TestSafety23GoogleThatFails(t *testing.T) {
	for _, test := range []struct{ name, file, want string }{
		{"refused", `{"type":"authorized_user","client_id":"c","client_secret":"canary-s3cret","refresh_token":"canary-refresh","token_uri":%q}`, ""},
		{"no JSON", `canary-s3cret %q`, "finding an identity for Google Cloud: its file holds none that can be read"},
		{"no identity", `{"type":"canary-s3cret"}`, "finding an identity for Google Cloud: its file holds none that can be read"},
		{"bad key", `{"type":"service_account","client_email":"x@y","private_key":"canary-s3cret","token_uri":%q}`, "asking Google Cloud for a token: gcloud auth"},
	} {
		t.Run(test.name, func(t *testing.T) {
			noCloud(t)
			address, _ := standIn(t, func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(http.StatusBadRequest)
				body, _ := io.ReadAll(r.Body)
				fmt.Fprintf(w, `{"error":"invalid_grant","error_description":%q}`, "canary-s3cret"+string(body))
			})
			file := filepath.Join(t.TempDir(), "key.json")
			text := test.file
			if strings.Contains(text, "%q") {
				text = fmt.Sprintf(text, address)
			}
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
			// Google's address for the tokens of people is fixed: no connection is made to it here.
			t.Setenv("HTTPS_PROXY", address)
			_, offered, client := cloudWorld(t, "gcr.io")
			_, err := client(nil).Tags(t.Context(), ref(t, "gcr.io/a"))
			wantFault(t, err, Credential, test.want)
			if err != nil && strings.Contains(err.Error(), "canary") || len(*offered) != 0 {
				t.Errorf("%v, offered %s", err, *offered)
			}
		})
	}
	noCloud(t)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
	_, _, client := cloudWorld(t, "gcr.io")
	_, err := client(nil).Tags(t.Context(), ref(t, "gcr.io/a"))
	wantFault(t, err, Credential, "finding an identity for Google Cloud: stat /nowhere/key.json: no such file or directory")
}

// SAFETY 26: no cloud is asked for a login where there is an entry, or for anybody else's host.
func TestSafety26CloudsAreNotAskedForOthers(t *testing.T) {
	noCloud(t)
	address, requests := standIn(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	t.Setenv("AWS_ACCESS_KEY_ID", "A")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	t.Setenv("AWS_ENDPOINT_URL", address)
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(address, "http://"))
	hosts := []string{ecrOne, "gcr.io", "registry.example", "gcr.io.evil.test", ecrOne + ".evil.test", "gcr.io:8443"}
	_, _, client := cloudWorld(t, hosts...)
	c := client(func(o *Options) {
		config(t, `{"auths":{"`+ecrOne+`":{"auth":"dTpw"},"gcr.io":{}}}`)(o)
	})
	for _, host := range hosts {
		_, _ = c.Tags(t.Context(), ref(t, host+"/a"))
	}
	if requests.Load() != 0 {
		t.Errorf("a cloud was asked %d times", requests.Load())
	}
}
