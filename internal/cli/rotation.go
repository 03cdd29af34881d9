package cli

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/hookswitch/hookswitch/client"
)

const rotationLong = `Rotate the app secret of a webhook without a POST that its receiver refuses. The steps, and whose they are:

  1. sender    hookswitch webhooks secrets next ID
               Adds the next secret and shows it, once. From now on webhook-signature carries a signature with each of the two;
               X-Hub-Signature and X-Hub-Signature-256 stay with the current one.
  2. receiver  Accepts both secrets (Secrets of the Go package receiver, or "hookswitch listen" with --secret-file twice).
               "hookswitch webhooks test --next-secret ID" shows whether it does.
               One that looks at webhook-signature alone may switch to the new secret instead, from a minute after step 1 until step 5.
  3. sender    hookswitch webhooks secrets promote ID
               The next secret is the current one now. The one before goes on signing webhook-signature for --keep-previous.
               A receiver of X-Hub-Signature that does not know the new secret refuses everything from here on.
  4. receiver  Drops the old secret, a minute after the promotion or later: by then every node signs with the new one, and no POST of before
               is on its way.
  5. sender    hookswitch webhooks secrets expire ID
               Ends the old secret at once. Without this step it ends by itself, when --keep-previous is over.

Until step 3, "expire --next ID" gives the rotation up. After it, "next" with the old secret and "promote" go back.`

func (a *app) secretsCommand(c *connection) *cobra.Command {
	group := makeGroup(&cobra.Command{
		Use:     "secrets",
		Aliases: []string{"secret"},
		Short:   "Rotate the app secret of a webhook: next, promote, expire",
		Long:    rotationLong,
		Example: "  hookswitch webhooks secrets next 0190a1b2-0000-7000-8000-000000000000\n" +
			"  hookswitch webhooks secrets promote 0190a1b2-0000-7000-8000-000000000000 --keep-previous 48h\n" +
			"  hookswitch webhooks secrets expire 0190a1b2-0000-7000-8000-000000000000",
	})
	group.AddCommand(a.nextSecret(c), a.promoteSecret(c), a.expireSecret(c))
	return group
}

// rotationCommand is a command for one step; step makes the body of the request when the command is run.
func (a *app) rotationCommand(c *connection, cmd *cobra.Command, step func() (client.RotationStep, error)) *cobra.Command {
	key := idempotencyFlag(cmd)
	return aboutOne(a, c, "webhook-id", cmd, webhookFields, func(ctx context.Context, api *client.Client, id uuid.UUID) (*http.Response, error) {
		body, err := step()
		if err != nil {
			return nil, err
		}
		return api.RotateSecrets(ctx, id, nil, body, key())
	})
}

func (a *app) nextSecret(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "next", Short: "Add the next secret, which signs beside the current one",
		Long: `Add the next secret. Without one (--secret-file, or ` + secretEnv + `) the server makes it. It is in the answer of this command and never
shown again. It replaces a next secret that was added before.

Then have the receiver accept both secrets, and promote it: see hookswitch webhooks secrets --help.`,
		Example: "  hookswitch webhooks secrets next 0190a1b2-0000-7000-8000-000000000000\n" +
			"  hookswitch webhooks secrets next 0190a1b2-0000-7000-8000-000000000000 --secret-file next.secret --json",
	}
	given := a.secretFlags(cmd)
	return a.rotationCommand(c, cmd, func() (client.RotationStep, error) {
		step := client.RotationStep{Action: client.RotationActionNext}
		keys, err := given.read()
		if err != nil {
			return step, err
		}
		if len(keys) > 1 {
			return step, usageErrorf("a webhook has one next secret")
		}
		if len(keys) == 1 {
			secret := string(keys[0])
			step.Secret = &secret
		}
		return step, nil
	})
}

func (a *app) promoteSecret(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "promote", Short: "Make the next secret the current one",
		Long: `Make the next secret the current one, with which X-Hub-Signature is made. Every receiver that looks at that header must accept
both secrets before. The secret that was current goes on signing webhook-signature for --keep-previous; with 0s it ends at once.`,
		Example: "  hookswitch webhooks secrets promote 0190a1b2-0000-7000-8000-000000000000 --keep-previous 48h",
	}
	keep := cmd.Flags().String("keep-previous", "", "how long the old secret goes on signing: 0s to 720h (default 24h)")
	return a.rotationCommand(c, cmd, func() (client.RotationStep, error) {
		step := client.RotationStep{Action: client.RotationActionPromote}
		if *keep != "" {
			step.KeepPrevious = keep
		}
		return step, nil
	})
}

func (a *app) expireSecret(c *connection) *cobra.Command {
	cmd := &cobra.Command{
		Use: "expire", Short: "End the previous secret, or with --next the next one",
		Long: `End the previous secret before its time: nothing is signed with it any more. With --next, end the next one, which gives the rotation
up; a receiver that has switched to it refuses everything from here on.`,
		Example: "  hookswitch webhooks secrets expire 0190a1b2-0000-7000-8000-000000000000\n" +
			"  hookswitch webhooks secrets expire --next 0190a1b2-0000-7000-8000-000000000000",
	}
	next := cmd.Flags().Bool("next", false, "end the next secret in place of the previous one")
	return a.rotationCommand(c, cmd, func() (client.RotationStep, error) {
		step := client.RotationStep{Action: client.RotationActionExpire}
		if *next {
			which := client.ExpiringNext
			step.Which = &which
		}
		return step, nil
	})
}

// testDraft is the body of a test.
func testDraft(next bool) client.TestDraft {
	if !next {
		return client.TestDraft{}
	}
	secret := client.TestSecretNext
	return client.TestDraft{Secret: &secret}
}

// rotationOf says where the rotation of a webhook's secret is.
func rotationOf(r client.Rotation) string {
	var parts []string
	if r.Next {
		parts = append(parts, "the next secret signs too and waits for its promotion")
	}
	if r.PreviousUntil != nil {
		parts = append(parts, "the previous secret signs too, until "+timeOf(r.PreviousUntil))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, "; ")
}
