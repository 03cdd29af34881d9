package deploy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/opencontainers/go-digest"
)

func TestDockerfile(t *testing.T) {
	text := read(t, "../Dockerfile")
	for _, p := range imageProblems(t, text) {
		t.Error(p)
	}
	for _, c := range []struct{ name, old, replacement, want string }{
		{"an unknown instruction", "WORKDIR /data", "WORKDIRS /data", "WORKDIRS"},
		{"an unknown flag", "--chown=65532:65532", "--owner=65532:65532", "owner"},
		{"a stage that is not there", "--from=build /out/hookswitch", "--from=builder /out/hookswitch", "builder"},
		{"a variable that is not there", "${REVISION}", "${REVISON}", "REVISON"},
		{"a secret in the image", "WORKDIR /data", "ENV ADMIN_PASSWORD=x", "SecretsUsedInArgOrEnv"},
		{"a shell form", `CMD ["serve"]`, "CMD serve", "JSONArgs"},
		{"root", "USER 65532:65532", "USER root", "65532"},
		{"no certificates", "COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt", "", "certificates"},
		{"another command", `CMD ["serve"]`, `CMD ["demo"]`, "serve"},
		{"cgo", "CGO_ENABLED=0", "CGO_ENABLED=1", "static"},
		{"an old Go", "GO_VERSION=1.26", "GO_VERSION=1.25", "go.mod"},
		{"a base with a shell", "FROM scratch", "FROM debian:13", "scratch"},
	} {
		t.Run("detects "+c.name, func(t *testing.T) {
			found := strings.Join(imageProblems(t, replaceOnce(t, text, c.old, c.replacement)), "\n")
			if !strings.Contains(found, c.want) {
				t.Errorf("found %q, want something about %q", found, c.want)
			}
		})
	}
}

// noImages answers for a registry that nothing is known of the images, so that a Dockerfile is linted without a network.
type noImages struct{}

// ResolveImageConfig implements [llb.ImageMetaResolver].
func (noImages) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	return ref, "", []byte(`{"architecture":"amd64","os":"linux"}`), nil
}

func imageProblems(t *testing.T, text string) []string {
	t.Helper()
	var out problems
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", []byte(text))
	source.Definition = new(llb.Definition) // the linter copies it
	results, err := dockerfile2llb.DockerfileLint(t.Context(), []byte(text), dockerfile2llb.ConvertOpt{
		SourceMap:    source,
		MetaResolver: noImages{},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range results.Warnings {
		out.add("%s: %s", w.RuleName, w.Detail)
	}
	if results.Error != nil {
		out.add("%s", results.Error.Message)
		return out
	}
	parsed, err := parser.Parse(bytes.NewReader([]byte(text)))
	if err != nil {
		return append(out, err.Error())
	}
	stages, args, err := instructions.Parse(parsed.AST, nil)
	if err != nil {
		return append(out, err.Error())
	}
	checkStages(&out, stages)
	root := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "../../go.mod"))[1]
	if v := args[0].Args[0]; v.Key != "GO_VERSION" || !strings.HasPrefix(v.ValueString(), root+".") {
		out.add("%s is %s, but go.mod asks for %s", v.Key, v.ValueString(), root)
	}
	return out
}

// checkStages shows that the last stage holds the static program with its certificates and runs it as nobody.
func checkStages(out *problems, stages []instructions.Stage) {
	build, final := stages[0], stages[len(stages)-1]
	if final.BaseName != "scratch" {
		out.add("the image is made from %s, not from scratch", final.BaseName)
	}
	if !slices.ContainsFunc(build.Commands, func(c instructions.Command) bool {
		return strings.Contains(fmt.Sprint(c), "CGO_ENABLED=0") && strings.Contains(fmt.Sprint(c), "-trimpath")
	}) {
		out.add("the program is not static")
	}
	var user, entrypoint, command string
	certificates := false
	for _, c := range final.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entrypoint = strings.Join(c.CmdLine, " ")
		case *instructions.CmdCommand:
			command = strings.Join(c.CmdLine, " ")
		case *instructions.CopyCommand:
			if c.From != build.Name {
				out.add("copies from %s, which is no stage", c.From)
			}
			certificates = certificates || c.DestPath == "/etc/ssl/certs/ca-certificates.crt"
		}
	}
	if user != "65532:65532" {
		out.add("the user is %q, not 65532:65532", user)
	}
	if entrypoint != program || command != "serve" {
		out.add("runs %q %q, not %q serve", entrypoint, command, program)
	}
	if !certificates {
		out.add("no certificates: no receiver could be trusted")
	}
}

// program is where the image has the program.
const program = "/hookswitch"

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
