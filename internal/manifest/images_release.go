package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-gitops/sluice/internal/imageref"
)

// chartImage names the image at the top of a HelmRelease's values.
const chartImage = "chart-image"

// releaseGroups are the API groups whose HelmRelease has its values where Flux v1 had them.
var releaseGroups = []string{"helm.fluxcd.io", "flux.weave.works"}

// releaseImages finds the images in a HelmRelease's values: at their top, one level below it,
// and where annotations say. A later find replaces an earlier one of the same name.
func releaseImages(object map[string]any) []Container {
	version, _ := object["apiVersion"].(string)
	group, _, _ := strings.Cut(version, "/")
	if !slices.Contains(releaseGroups, group) {
		return nil
	}
	top := []any{"spec", "values"}
	values, _ := lookup(object, top).(map[string]any)
	found := map[string]Container{}
	if fields, ok := holder(values, top); ok {
		keep(found, chartImage, fields)
	}
	for key, value := range values {
		m, _ := value.(map[string]any)
		if fields, ok := holder(m, extend(top, key)); ok {
			keep(found, key, fields)
		}
	}
	mapped(object, values, found)
	return inOrder(found)
}

// keep notes the fields under a name where they make a reference: what only looks like an image
// is none.
func keep(found map[string]Container, name string, fields []Field) bool {
	ref := join(fields)
	if _, err := imageref.Parse(ref); err != nil {
		return false
	}
	found[name] = Container{Name: name, Fields: fields, Ref: ref}
	return true
}

// inOrder puts chart-image first and the others by name.
func inOrder(found map[string]Container) []Container {
	var list []Container
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if name == chartImage {
			list = slices.Insert(list, 0, found[name])
		} else {
			list = append(list, found[name])
		}
	}
	return list
}

// holder reads the two layouts: image: name with registry, tag and digest beside it, and image:
// {repository: name} with them inside.
func holder(m map[string]any, path []any) ([]Field, bool) {
	if name, ok := m["image"].(string); ok {
		return siblings(m, path, RoleImage, "image", name), true
	}
	inner, _ := m["image"].(map[string]any)
	if name, ok := inner["repository"].(string); ok {
		return siblings(inner, extend(path, "image"), RoleRepository, "repository", name), true
	}
	return nil, false
}

func siblings(m map[string]any, path []any, role Role, key, name string) []Field {
	fields := []Field{{role, extend(path, key), name}}
	if registry, ok := m["registry"].(string); ok {
		fields = withRegistry(fields, extend(path, "registry"), registry)
	}
	if tag, there := m["tag"]; there {
		fields = withTag(fields, extend(path, "tag"), tag)
	}
	if digest, ok := m["digest"].(string); ok {
		fields = withDigest(fields, extend(path, "digest"), digest)
	}
	return fields
}

// withRegistry adds a registry's field. An empty one says nothing and is left alone.
func withRegistry(fields []Field, path []any, registry string) []Field {
	if registry == "" {
		return fields
	}
	return slices.Insert(fields, 0, Field{RoleRegistry, path, registry})
}

// withTag adds a tag's field. An empty one is where a new tag belongs, unless the name carries
// a tag or digest itself.
func withTag(fields []Field, path []any, value any) []Field {
	tag, ok := text(value)
	if !ok && value != nil {
		return fields
	}
	if tag == "" {
		ref, err := imageref.Parse(join(fields))
		if err != nil || ref.Tag != "" || ref.Digest != "" {
			return fields
		}
	}
	return append(fields, Field{RoleTag, path, tag})
}

// withDigest adds a digest's field. An empty one says nothing, and neither does what is no digest.
func withDigest(fields []Field, path []any, digest string) []Field {
	if _, err := imageref.Parse("any@" + digest); err != nil {
		return fields
	}
	return append(fields, Field{RoleDigest, path, digest})
}

// mapped adds the images that repository.fluxcd.io/NAME annotations point at. Where one leads to
// no image the name keeps what was found without it, and has an error where nothing was.
func mapped(object, values map[string]any, found map[string]Container) {
	notes := annotations(object)
	for key, path := range notes {
		name, ok := strings.CutPrefix(key, "repository.fluxcd.io/")
		if !ok {
			continue
		}
		fields, err := resolve(values, notes, name, path)
		if err == nil && keep(found, name, fields) {
			continue
		}
		if err == nil {
			_, err = imageref.Parse(join(fields))
		}
		if _, other := found[name]; !other {
			found[name] = Container{Name: name, Err: fmt.Errorf("following the annotation %s: %w", key, err)}
		}
	}
}

// resolve follows the annotations of one name into the values.
func resolve(values map[string]any, notes map[string]string, name, repository string) ([]Field, error) {
	path, value := dotted(values, repository)
	image, ok := value.(string)
	if !ok {
		return nil, fmt.Errorf("spec.values.%s is no string", repository)
	}
	fields := []Field{{RoleRepository, path, image}}
	if dots, there := notes["registry.fluxcd.io/"+name]; there {
		path, value := dotted(values, dots)
		registry, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("its registry, spec.values.%s, is no string", dots)
		}
		fields = withRegistry(fields, path, registry)
	}
	if dots, there := notes["tag.fluxcd.io/"+name]; there {
		path, value := dotted(values, dots)
		if _, ok := text(value); !ok {
			return nil, fmt.Errorf("its tag, spec.values.%s, is no string", dots)
		}
		fields = withTag(fields, path, value)
	}
	for i, f := range fields {
		for _, other := range fields[:i] {
			if slices.Equal(f.Path, other.Path) {
				return nil, fmt.Errorf("its %s and its %s are the same value", other.Role, f.Role)
			}
		}
	}
	return fields, nil
}

// dotted follows a path as annotations write it, relative to the values.
func dotted(values map[string]any, dots string) ([]any, any) {
	var keys []any
	for key := range strings.SplitSeq(dots, ".") {
		keys = append(keys, key)
	}
	return extend([]any{"spec", "values"}, keys...), lookup(values, keys)
}
