// What each mutation, type and field of GitHub's GraphQL API needs of a token. Lines of `needs names`: `|` is either,
// `/` is one of them, as the target decides, `+` is both, `!` is what no key of a workflow grants, `unknown` is on
// purpose. A name may end or begin with `*`.

import { needBoth, noNeeds, type NeedSet, parseNeeds } from '../need-sets.ts';
import { findType } from './graphql-schema.ts';

/** What one name of a document needs. */
export interface GraphqlNeed {
  readonly needs: NeedSet;
  /** One of the alternatives is needed, which the target decides; else any of them will do. */
  readonly isByTarget: boolean;
  /** In words, `administration: write`; null when a workflow's keys are enough. */
  readonly ungrantable: string | null;
  readonly isUnknown: boolean;
}

const mutationTable = `
issues:write/pull-requests:write addComment updateIssueComment deleteIssueComment lockLockable unlockLockable
issues:write/pull-requests:write addAssigneesToAssignable removeAssigneesFromAssignable
issues:write|pull-requests:write createLabel updateLabel deleteLabel
issues:write/pull-requests:write/discussions:write minimizeComment unminimizeComment
issues:write/pull-requests:write/discussions:write addLabelsToLabelable removeLabelsFromLabelable clearLabelsFromLabelable
issues:write/pull-requests:write/discussions:write/contents:write addReaction removeReaction
issues:write createIssue updateIssue closeIssue reopenIssue pinIssue unpinIssue transferIssue deleteIssue
issues:write unmarkIssueAsDuplicate addSubIssue removeSubIssue reprioritizeSubIssue
pull-requests:write createPullRequest updatePullRequest closePullRequest reopenPullRequest updatePullRequestBranch requestReviews
pull-requests:write addPullRequestReview submitPullRequestReview updatePullRequestReview dismissPullRequestReview
pull-requests:write deletePullRequestReview addPullRequestReviewComment addPullRequestReviewThread
pull-requests:write addPullRequestReviewThreadReply updatePullRequestReviewComment deletePullRequestReviewComment
contents:write mergePullRequest resolveReviewThread unresolveReviewThread createCommitOnBranch
contents:write createRef updateRef updateRefs deleteRef mergeBranch
contents:write+pull-requests:write enablePullRequestAutoMerge disablePullRequestAutoMerge revertPullRequest
contents:write+pull-requests:write markPullRequestReadyForReview convertPullRequestToDraft
contents:write+pull-requests:write enqueuePullRequest dequeuePullRequest
contents:write+issues:write createLinkedBranch deleteLinkedBranch
deployments:write createDeployment createDeploymentStatus deleteDeployment approveDeployments rejectDeployments
checks:write createCheckRun updateCheckRun createCheckSuite rerequestCheckSuite updateCheckSuitePreferences
discussions:write createDiscussion updateDiscussion closeDiscussion reopenDiscussion deleteDiscussion
discussions:write addDiscussionComment updateDiscussionComment deleteDiscussionComment
discussions:write markDiscussionCommentAsAnswer unmarkDiscussionCommentAsAnswer addDiscussionPollVote addUpvote
packages:write deletePackageVersion
repository-projects:write addProjectCard moveProjectCard deleteProjectCard addProjectColumn updateProjectColumn
repository-projects:write createProject updateProject
!organization_projects:write addProjectV2ItemById addProjectV2DraftIssue updateProjectV2ItemFieldValue deleteProjectV2Item
!organization_projects:write archiveProjectV2Item createProjectV2 updateProjectV2 copyProjectV2 linkProjectV2ToRepository
!administration:write createEnvironment updateEnvironment deleteEnvironment updateRepository archiveRepository
!administration:write unarchiveRepository createBranchProtectionRule updateBranchProtectionRule deleteBranchProtectionRule
!administration:write createRepositoryRuleset updateRepositoryRuleset updateTopics createRepository cloneTemplateRepository
!vulnerability_alerts:write dismissRepositoryVulnerabilityAlert
!user-token addStar removeStar followUser updateSubscription
!members:write createTeamDiscussion
`;

/** Wherever an object of the type, or a list of them, is reached; also by an id that hides it. */
const typeTable = `
contents:read Ref Commit Tree TreeEntry Blob Tag GitObject Blame BlameRange Comparison Push Submodule
contents:read Release ReleaseAsset CommitComment CommitCommentThread ContributingGuidelines IssueTemplate PullRequestTemplate
contents:read RepositoryCodeowners RepositoryCodeownersError DependencyGraphManifest DependencyGraphDependency
issues:read Issue IssueType LinkedBranch PinnedIssue SubIssuesSummary
issues:read|pull-requests:read IssueComment Label Milestone Assignable Closable Lockable SubscribableThread *Event
issues:read|pull-requests:read|discussions:read Labelable
issues:read|pull-requests:read|discussions:read|contents:read Comment Deletable Minimizable Reactable Updatable
issues:read|pull-requests:read|discussions:read|contents:read UpdatableComment Subscribable Reaction ReactionGroup UserContentEdit
pull-requests:read PullRequest PullRequestReview PullRequestReviewComment PullRequestReviewThread PullRequestThread
pull-requests:read PullRequestCommit PullRequestCommitCommentThread PullRequestChangedFile PullRequestRevisionMarker
pull-requests:read ReviewRequest SuggestedReviewer AutoMergeRequest
discussions:read Discussion DiscussionComment DiscussionCategory DiscussionPoll DiscussionPollOption PinnedDiscussion Votable
deployments:read Deployment DeploymentStatus
actions:read Environment PinnedEnvironment DeploymentProtectionRule DeploymentRequest DeploymentReview
actions:read WorkflowRun WorkflowRunFile Workflow
packages:read Package PackageFile PackageVersion PackageTag PackageStatistics PackageVersionStatistics
repository-projects:read Project ProjectCard ProjectColumn ProjectProgress
vulnerability-alerts:read RepositoryVulnerabilityAlert DependabotUpdate DependabotUpdateError
checks:read StatusCheckRollup CheckRun CheckSuite CheckAnnotation CheckAnnotationSpan CheckAnnotationPosition CheckStep
checks:read CheckRunStateCount
statuses:read Status StatusContext StatusContextStateCount
checks:read|statuses:read RequirableByPullRequest
!organization_projects:read ProjectV2 ProjectV2Actor* ProjectV2Field* ProjectV2Item* ProjectV2Iteration* ProjectV2S* ProjectV2View
!organization_projects:read ProjectV2Workflow DraftIssue
!members:read Team TeamDiscussion TeamDiscussionComment OrganizationInvitation MemberStatusable
!administration:read BranchProtectionRule BranchProtectionRuleConflict BypassForcePushAllowance BypassPullRequestAllowance
!administration:read PushAllowance ReviewDismissalAllowance DeployKey RepositoryInvitation RequiredStatusCheckDescription
!merge_queues:read MergeQueue MergeQueueConfiguration MergeQueueEntry
!enterprise Enterprise*
none Query Mutation Node Repository RepositoryNode RepositoryInfo RepositoryOwner RepositoryTopic Topic Language License LicenseRule
none User Organization Bot Mannequin App Actor UniformResourceLocatable Starrable ProfileOwner ProfileItemShowcase
none ProjectOwner ProjectV2Owner ProjectV2Recent PackageOwner RepositoryDiscussionAuthor RepositoryDiscussionCommentAuthor
none CodeOfConduct FundingLink RepositoryContactLink RepositoryPlanFeatures PermissionSource PageInfo
none RateLimit GitHubMetadata SecurityAdvisory* SecurityVulnerability CVSS CWE CvssSeverities EPSS Marketplace*
none GitActor GitSignature GpgSignature SmimeSignature SshSignature UnknownSignature TextMatch TextMatchHighlight
none Hovercard *HovercardContext Contribution Contribution* *Contribution *ContributionsByRepository ContributionsCollection
none RepositoryRule RepositoryRuleset RepositoryRulesetBypassActor RepositoryRuleConditions *ConditionTarget *Parameters
none CodeScanningTool StatusCheckConfiguration WorkflowFileReference PropertyTargetDefinition SocialAccount UserStatus
unknown *AuditEntry *AuditEntryData AuditEntry ActorLocation ExternalIdentity* OIDCProvider OrganizationIdentityProvider
unknown IpAllowListEntry VerifiableDomain Migration MigrationSource OrganizationMigration RepositoryMigration AnnouncementBanner*
unknown Sponsor* Stripe* Gist GistComment GistFile PublicKey SavedReply UserList UserListSuggestion UserEmailMetadata
unknown RefUpdateRule RepositoryInteractionAbility CopilotEndpoints MemberFeatureRequestNotification UserNamespaceRepository
`;

/** Fields that need something else than their type does, or besides it; of scalars, something at all. */
const fieldTable = `
none PullRequestCommit.commit Query.node Query.nodes Query.resource Query.search
issues:read|pull-requests:read Repository.assignableUsers Repository.mentionableUsers Repository.suggestedActors
!administration:read CheckRun.isRequired StatusContext.isRequired RequirableByPullRequest.isRequired
!organization_projects:read Organization.project Organization.projects
!members:read Organization.membersWithRole Organization.pendingMembers Organization.memberStatuses
unknown Repository.tempCloneToken User.project User.projects User.copilotEndpoints Organization.organizationBillingEmail
unknown Query.enterpriseAdministratorInvitationByToken Query.enterpriseMemberInvitationByToken
`;

const nothing: GraphqlNeed = { needs: noNeeds, isByTarget: false, ungrantable: null, isUnknown: false };
const unknown: GraphqlNeed = { ...nothing, isUnknown: true };

interface NeedTable {
  readonly exact: ReadonlyMap<string, GraphqlNeed>;
  readonly patterns: readonly (readonly [before: string, after: string, need: GraphqlNeed])[];
}

const mutations = readTable(mutationTable);
const types = readTable(typeTable);
const fields = readTable(fieldTable);
const byType = new Map<string, GraphqlNeed>();

function readTable(text: string): NeedTable {
  const exact = new Map<string, GraphqlNeed>();
  const patterns: [string, string, GraphqlNeed][] = [];
  for (const line of text.trim().split('\n')) {
    const [word = '', ...names] = line.split(' ');
    const need = readNeed(word);
    for (const name of names) {
      const [before = '', after] = name.split('*');
      if (after === undefined) exact.set(name, need);
      else patterns.push([before, after, need]);
    }
  }
  return { exact, patterns };
}

function readNeed(word: string): GraphqlNeed {
  if (word === 'none') return nothing;
  if (word === 'unknown') return unknown;
  if (word.startsWith('!')) return { ...nothing, ungrantable: word.slice(1).replace(':', ': ') };
  return { ...nothing, needs: parseNeeds(word.replaceAll('/', '|')), isByTarget: word.includes('/') };
}

function lookUp(table: NeedTable, name: string): GraphqlNeed | null {
  const exact = table.exact.get(name);
  if (exact !== undefined) return exact;
  return (
    table.patterns.find(([before, after]) => name.startsWith(before) && name.endsWith(after))?.[2] ?? null
  );
}

/** What a mutation needs; null when the table does not have it. */
export function mutationNeed(name: string): GraphqlNeed | null {
  return mutations.exact.get(name) ?? null;
}

/** What reaching an object of this type needs; of connections and edges, what their nodes need. */
export function typeNeed(name: string): GraphqlNeed {
  const found = byType.get(name);
  if (found !== undefined) return found;
  const need = lookUp(types, name) ?? structuralNeed(name);
  if (findType(name) !== null) byType.set(name, need);
  return need;
}

/** Connections, edges, payloads and unions are not things by themselves. Other types that no line names are unknown. */
function structuralNeed(name: string): GraphqlNeed {
  const type = findType(name);
  if (type === null || name.startsWith('__')) return unknown;
  if (isStructural(name)) {
    const inner = nodeTypeOf(name);
    return inner === null || inner === name ? nothing : typeNeed(inner);
  }
  return type.kind === 'union' || name.endsWith('Payload') ? nothing : unknown;
}

/** True for connections and their edges. */
export function isStructural(name: string): boolean {
  return name.endsWith('Connection') || name.endsWith('Edge');
}

function nodeTypeOf(name: string): string | null {
  const own = findType(name)?.fields;
  const through = own?.get('node') ?? own?.get('nodes') ?? own?.get('edges');
  return through?.type ?? null;
}

const byField = new Map<string, Map<string, GraphqlNeed>>();

/** What a field of the schema needs; `target` is the type of its fields, or null. */
export function fieldNeed(parent: string, field: string, target: string | null): GraphqlNeed {
  const known = byField.get(parent) ?? new Map<string, GraphqlNeed>();
  const found = known.get(field);
  if (found !== undefined) return found;
  const need = findFieldNeed(parent, field, target);
  byField.set(parent, known.set(field, need));
  return need;
}

function findFieldNeed(parent: string, field: string, target: string | null): GraphqlNeed {
  const own = fields.exact.get(`${parent}.${field}`);
  if (own === undefined) return target === null ? nothing : typeNeed(target);
  return own === nothing || target === null ? own : both(own, typeNeed(target));
}

function both(a: GraphqlNeed, b: GraphqlNeed): GraphqlNeed {
  return {
    needs: needBoth(a.needs, b.needs),
    isByTarget: false,
    ungrantable: a.ungrantable ?? b.ungrantable,
    isUnknown: a.isUnknown || b.isUnknown,
  };
}
