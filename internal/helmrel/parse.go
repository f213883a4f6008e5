package helmrel

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Parse reads a HelmRelease and checks it. The second result names fields that this package does not
// know, which are left out; the third says what is wrong with those that it knows.
func Parse(object []byte) (*HelmRelease, []string, error) {
	known, unknown, err := prune(object)
	if err != nil {
		return nil, nil, err
	}
	h := &HelmRelease{}
	if err := json.Unmarshal(known, h); err != nil {
		return nil, unknown, typeError(err)
	}
	return h, unknown, h.validate()
}

func typeError(err error) error {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return fmt.Errorf("reading a HelmRelease: %w", err)
	}
	return fmt.Errorf("%s: expected %s, found %s", t.Field, typeName(t.Type.String()), t.Value)
}

func typeName(goType string) string {
	switch {
	case strings.HasPrefix(goType, "int"):
		return "an integer"
	case goType == "bool":
		return "true or false"
	case goType == "string":
		return "a string"
	case strings.HasPrefix(goType, "[]"):
		return "a list"
	default:
		return "an object"
	}
}

func (h *HelmRelease) validate() error {
	if h.Metadata.Name == "" {
		return errors.New("metadata.name is missing")
	}
	return errors.Join(h.Spec.validate(), h.Spec.Chart.validate())
}

func (s Spec) validate() error {
	var errs []error
	switch s.HelmVersion {
	case "", "v3":
	case "v2":
		errs = append(errs, errors.New("spec.helmVersion v2 is not supported: Helm 2 ended in 2020; migrate the release to Helm 3 and set v3"))
	default:
		errs = append(errs, fmt.Errorf("spec.helmVersion %q is unknown: v3 is the only one", s.HelmVersion))
	}
	if s.MaxHistory != nil && *s.MaxHistory < 0 {
		errs = append(errs, errors.New("spec.maxHistory is negative"))
	}
	for _, t := range []struct {
		name  string
		value *int64
	}{{"timeout", s.Timeout}, {"rollback.timeout", s.Rollback.Timeout}, {"test.timeout", s.Test.Timeout}} {
		if t.value != nil && *t.value <= 0 {
			errs = append(errs, fmt.Errorf("spec.%s must be a positive number of seconds", t.name))
		}
	}
	if s.Rollback.MaxRetries != nil && *s.Rollback.MaxRetries < 0 {
		errs = append(errs, errors.New("spec.rollback.maxRetries is negative"))
	}
	for i, from := range s.ValuesFrom {
		if err := from.validate(); err != nil {
			errs = append(errs, fmt.Errorf("spec.valuesFrom[%d]: %w", i, err))
		}
	}
	if _, err := decodeObject(s.Values); err != nil {
		errs = append(errs, fmt.Errorf("spec.values: %w", err))
	}
	for i, ref := range s.ValueFileSecrets {
		if ref.Name == "" {
			errs = append(errs, fmt.Errorf("spec.valueFileSecrets[%d].name is missing", i))
		}
	}
	return errors.Join(errs...)
}

func (c ChartSource) validate() error {
	if c.FromGit() {
		return nil
	}
	if c.Git != "" {
		return errors.New("spec.chart.path is missing beside spec.chart.git")
	}
	var missing []string
	for _, f := range []struct{ name, value string }{{"repository", c.Repository}, {"name", c.Name}, {"version", c.Version}} {
		if f.value == "" {
			missing = append(missing, f.name)
		}
	}
	switch len(missing) {
	case 0:
		return nil
	case 3:
		return errors.New("spec.chart names no chart: it needs git and path, or repository, name and version")
	default:
		return fmt.Errorf("spec.chart lacks %s", strings.Join(missing, " and "))
	}
}

func (v ValuesFrom) validate() error {
	switch {
	case v.ConfigMapKeyRef != nil:
		return named("configMapKeyRef.name", v.ConfigMapKeyRef.Name)
	case v.SecretKeyRef != nil:
		return named("secretKeyRef.name", v.SecretKeyRef.Name)
	case v.ExternalSourceRef != nil:
		return named("externalSourceRef.url", v.ExternalSourceRef.URL)
	case v.ChartFileRef != nil:
		return named("chartFileRef.path", v.ChartFileRef.Path)
	default:
		return errors.New("it names none of configMapKeyRef, secretKeyRef, chartFileRef and externalSourceRef")
	}
}

func named(field, value string) error {
	if value == "" {
		return fmt.Errorf("%s is missing", field)
	}
	return nil
}

// migrateAnnotation asks the Helm Operator to convert a release of Helm 2, where there is none of Helm 3.
const migrateAnnotation = "helm.fluxcd.io/migrate"

// migration is what becomes of it here. To install afresh would fail at the first object that Helm 2 made.
var migration = Decision{Step: StepBlocked, Code: CodeMigrate,
	Why:  "its annotation " + migrateAnnotation + " asks for a release of Helm 2 to be converted, which is not done here",
	Hint: "convert it with the helm plugin 2to3, or take the annotation off to have it installed"}
