// One case for every row of what is known of GitHub's GraphQL API: each mutation and each field, and what it needs.

import t from 'tap';
import { ask } from './ask-graphql.ts';

/** `a:read+b:write | c:read`: alternatives of sets; `!words` is what no key of a workflow grants. */
const mutations = `
issues:write | pull-requests:write
  addComment updateIssueComment deleteIssueComment lockLockable unlockLockable addAssigneesToAssignable
  removeAssigneesFromAssignable createLabel updateLabel deleteLabel
issues:write | pull-requests:write | discussions:write
  minimizeComment unminimizeComment addLabelsToLabelable removeLabelsFromLabelable clearLabelsFromLabelable
issues:write | pull-requests:write | discussions:write | contents:write
  addReaction removeReaction
issues:write
  createIssue updateIssue closeIssue reopenIssue pinIssue unpinIssue transferIssue deleteIssue unmarkIssueAsDuplicate
  addSubIssue removeSubIssue reprioritizeSubIssue
pull-requests:write
  createPullRequest updatePullRequest closePullRequest reopenPullRequest addPullRequestReview submitPullRequestReview
  updatePullRequestReview dismissPullRequestReview deletePullRequestReview addPullRequestReviewComment
  addPullRequestReviewThread addPullRequestReviewThreadReply updatePullRequestReviewComment
  deletePullRequestReviewComment requestReviews updatePullRequestBranch
contents:write
  mergePullRequest resolveReviewThread unresolveReviewThread createCommitOnBranch createRef updateRef updateRefs
  deleteRef mergeBranch
contents:write+pull-requests:write
  enablePullRequestAutoMerge disablePullRequestAutoMerge markPullRequestReadyForReview convertPullRequestToDraft
  enqueuePullRequest dequeuePullRequest revertPullRequest
contents:write+issues:write
  createLinkedBranch deleteLinkedBranch
deployments:write
  createDeployment createDeploymentStatus deleteDeployment approveDeployments rejectDeployments
checks:write
  createCheckRun updateCheckRun createCheckSuite rerequestCheckSuite updateCheckSuitePreferences
discussions:write
  createDiscussion updateDiscussion closeDiscussion reopenDiscussion deleteDiscussion addDiscussionComment
  updateDiscussionComment deleteDiscussionComment markDiscussionCommentAsAnswer unmarkDiscussionCommentAsAnswer
  addDiscussionPollVote addUpvote
packages:write
  deletePackageVersion
repository-projects:write
  addProjectCard moveProjectCard deleteProjectCard addProjectColumn updateProjectColumn createProject updateProject
!organization_projects: write
  addProjectV2ItemById addProjectV2DraftIssue updateProjectV2ItemFieldValue deleteProjectV2Item archiveProjectV2Item
  createProjectV2 updateProjectV2 copyProjectV2 linkProjectV2ToRepository
!administration: write
  createEnvironment updateEnvironment deleteEnvironment updateRepository archiveRepository unarchiveRepository
  createBranchProtectionRule updateBranchProtectionRule deleteBranchProtectionRule createRepositoryRuleset
  updateRepositoryRuleset updateTopics createRepository cloneTemplateRepository
!vulnerability_alerts: write
  dismissRepositoryVulnerabilityAlert
!user-token
  addStar removeStar followUser updateSubscription
!members: write
  createTeamDiscussion
`;

/** What is read: fields below `repository(owner: "acme", name: "app")`, or of the root where it begins with `{`. */
const reads = `
none
  {viewer{login}} | {rateLimit{remaining}} | {meta{gitHubServicesSha}} | {licenses{key}} | {license(key:"mit"){name}}
  {codesOfConduct{key}} | {securityAdvisories(first:1){nodes{ghsaId}}} | {securityAdvisory(ghsaId:"x"){summary}}
  {securityVulnerabilities(first:1){nodes{severity}}} | {topic(name:"x"){name}} | {user(login:"x"){name}}
  {repositoryOwner(login:"x"){login}} | {__typename} | {__schema{types{name}}} | {__type(name:"Issue"){name}}
  {node(id:"x"){id}} | {nodes(ids:["x"]){id}} | {resource(url:"https://github.com/acme/app/issues/1"){url}}
  {search(query:"x",type:ISSUE,first:1){issueCount}} | id | nameWithOwner | isPrivate | languages(first:1){nodes{name}}
  {search(query:"x",type:REPOSITORY,first:1){nodes{... on Repository{name}}}}
  stargazers{totalCount} | forks{totalCount} | licenseInfo{key} | repositoryTopics(first:1){nodes{topic{name}}}
  watchers{totalCount} | rulesets(first:1){nodes{name}} | owner{login} | hasIssuesEnabled
  collaborators(first:1){nodes{login}} | {organization(login:"acme"){name}}
!members: read
  {organization(login:"acme"){team(slug:"x"){name}}} | {organization(login:"acme"){teams(first:1){nodes{name}}}}
  {organization(login:"acme"){teams(first:1){nodes{members(first:1){nodes{login}}}}}}
!organization_projects: read
  {organization(login:"acme"){projectV2(number:1){title}}} | {organization(login:"acme"){projectsV2(first:1){totalCount}}}
  projectV2(number:1){title} | projectsV2(first:1){nodes{title}} | {user(login:"x"){projectV2(number:1){title}}}
contents:read
  defaultBranchRef{name} | ref(qualifiedName:"x"){name} | refs(refPrefix:"refs/heads/",first:1){nodes{name}}
  object(expression:"HEAD:x"){... on Blob{text}} | object(expression:"x"){... on Tree{entries{name}}}
  object(expression:"x"){... on Commit{history(first:1){nodes{oid}}}} | submodules(first:1){nodes{name}}
  ref(qualifiedName:"x"){target{oid}} | release(tagName:"x"){name} | releases(first:1){totalCount}
  latestRelease{tagName} | issueTemplates{name} | pullRequestTemplates{body} | codeowners{errors{kind}}
  contributingGuidelines{body} | dependencyGraphManifests(first:1){totalCount}
issues:read
  issue(number:1){title} | issues(first:1){totalCount} | pinnedIssues(first:1){nodes{id}}
  issue(number:1){comments(first:1){nodes{body}}} | issue(number:1){timelineItems(first:1){nodes{... on LabeledEvent{id}}}}
  issue(number:1){subIssues(first:1){totalCount}} | {user(login:"x"){issues(first:1){totalCount}}}
pull-requests:read
  pullRequest(number:1){title} | pullRequests(first:1){nodes{number}} | pullRequest(number:1){files(first:1){nodes{path}}}
  pullRequest(number:1){reviews(first:1){totalCount}} | pullRequest(number:1){latestReviews(first:1){totalCount}}
  pullRequest(number:1){reviewThreads(first:1){nodes{isResolved}}} | pullRequest(number:1){comments{totalCount}}
  pullRequest(number:1){commits(first:1){nodes{commit{oid}}}} | pullRequest(number:1){timelineItems{totalCount}}
  pullRequest(number:1){reviewRequests(first:1){nodes{requestedReviewer{... on User{login}}}}}
contents:read+pull-requests:read
  object(expression:"x"){... on Commit{associatedPullRequests(first:1){totalCount}}}
issues:read | pull-requests:read
  issueOrPullRequest(number:1){__typename} | issueOrPullRequest(number:1){... on Issue{title}... on PullRequest{title}}
  labels(first:1){nodes{name}} | label(name:"x"){color} | milestones(first:1){totalCount} | milestone(number:1){title}
  assignableUsers(first:1){nodes{login}} | mentionableUsers(first:1){totalCount}
issues:read+pull-requests:read
  pullRequest(number:1){closingIssuesReferences(first:1){nodes{number}}}
  {search(query:"x",type:ISSUE,first:1){nodes{... on Issue{title}... on PullRequest{title}}}}
pull-requests:read !members: read
  pullRequest(number:1){reviewRequests(first:1){nodes{requestedReviewer{... on Team{name}}}}}
issues:read !organization_projects: read
  issue(number:1){projectItems(first:1){nodes{id}}}
pull-requests:read !organization_projects: read
  pullRequest(number:1){projectItems(first:1){totalCount}}
contents:read !administration: read
  ref(qualifiedName:"x"){branchProtectionRule{id}}
!administration: read
  branchProtectionRules(first:1){totalCount}
discussions:read
  discussion(number:1){title} | discussions(first:1){nodes{title}} | discussionCategories(first:1){nodes{name}}
  pinnedDiscussions(first:1){totalCount} | discussion(number:1){comments(first:1){nodes{body}}}
  {search(query:"x",type:DISCUSSION,first:1){nodes{... on Discussion{title}}}}
deployments:read
  deployments(first:1){nodes{state}} | deployments(first:1){nodes{statuses(first:1){nodes{state}}}}
actions:read
  environment(name:"x"){id} | environments(first:1){totalCount}
packages:read
  packages(first:1){nodes{name}}
repository-projects:read
  projects(first:1){totalCount}
issues:read+repository-projects:read
  issue(number:1){projectCards(first:1){totalCount}}
pull-requests:read+repository-projects:read
  pullRequest(number:1){projectCards(first:1){totalCount}}
vulnerability-alerts:read
  vulnerabilityAlerts(first:1){totalCount} | vulnerabilityAlert(number:1){state}
checks:read+pull-requests:read
  pullRequest(number:1){statusCheckRollup{state}}
  pullRequest(number:1){commits(last:1){nodes{commit{statusCheckRollup{contexts(first:1){nodes{... on CheckRun{name}}}}}}}}
  pullRequest(number:1){commits(last:1){nodes{commit{checkSuites(first:1){nodes{checkRuns(first:1){totalCount}}}}}}}
checks:read+contents:read
  object(expression:"x"){... on Commit{statusCheckRollup{state}}}
checks:read+pull-requests:read+statuses:read
  pullRequest(number:1){commits(last:1){nodes{commit{statusCheckRollup{contexts(first:1){nodes{... on StatusContext{state}}}}}}}}
contents:read+statuses:read
  object(expression:"x"){... on Commit{status{state}}}
actions:read+checks:read+contents:read
  object(expression:"x"){... on Commit{checkSuites(first:1){nodes{workflowRun{workflow{name}}}}}}
!merge_queues: read
  mergeQueue(branch:"x"){id}
!enterprise
  {enterprise(slug:"x"){name}}
`;

interface Expected {
  readonly needs: readonly Readonly<Record<string, string>>[];
  readonly ungrantable: readonly string[];
}

function readExpected(line: string): Expected {
  const [sets = '', words] = line.split('!');
  const read = (set: string): Record<string, string> =>
    Object.fromEntries(set.split('+').map((one) => one.trim().split(':')));
  const isNone = sets.trim() === '' || sets.trim() === 'none';
  return {
    needs: isNone ? [{}] : sets.split('|').map(read),
    ungrantable: words === undefined ? [] : [words],
  };
}

function* readRows(table: string, separator: RegExp): Generator<[document: string, expected: Expected]> {
  let expected: Expected = { needs: [], ungrantable: [] };
  for (const line of table.trim().split('\n'))
    if (!line.startsWith(' ')) expected = readExpected(line);
    else for (const one of line.trim().split(separator)) yield [one, expected];
}

t.test('every mutation that is known needs what the facts say', async (t) => {
  for (const [name, expected] of readRows(mutations, / /)) {
    const { operation } = ask(`mutation($input:X!){${name}(input:$input){clientMutationId}}`);
    const { needs, ungrantable } = operation;
    t.same({ needs, ungrantable }, expected, name);
    const isAdmin = expected.ungrantable[0] === 'administration: write';
    t.equal(operation.access, isAdmin ? 'admin' : 'write', name);
    t.equal(operation.name, `graphql/${name}`);
    t.equal(operation.sureness, expected.needs.length > 1 ? 'ambiguous' : 'known', name);
  }
});

t.test('every field that is known needs what the facts say', async (t) => {
  for (const [text, expected] of readRows(reads, / \| /)) {
    const document = text.startsWith('{') ? text : `{repository(owner:"acme",name:"app"){${text}}}`;
    const { operation } = ask(document);
    const { needs, ungrantable } = operation;
    t.same({ needs, ungrantable }, expected, text);
    t.equal(operation.access, 'read', text);
    t.equal(operation.sureness, expected.needs.length > 1 ? 'ambiguous' : 'known', text);
  }
});
