//! Tests as they are asked for: of a resource or of a definition that is not saved, answered whole or check by check.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use crate::app::body::read_definition;
use crate::app::connection::Subject;
use crate::app::{App, Error, Resource, audit};
use crate::model::check::{Check, Report};
use crate::model::cors_check::check_origins;
use crate::model::literal::Literals;
use crate::model::name::Name;
use crate::model::principal::Caller;
use crate::model::resource::Definition;
use crate::store::TestRow;

/// What a test may do.
#[derive(Debug, Clone, Default)]
pub struct TestOptions {
    /// Also write, read back and delete one object.
    pub write: bool,
    /// Origins of pages that shall be let in, in place of those that the resource lists; none leaves those.
    pub origins: Vec<String>,
}

impl TestOptions {
    fn check(&self) -> Result<(), Error> {
        let findings = check_origins(&self.origins, "origins");
        if findings.is_empty() { Ok(()) } else { Err(Error::invalid(findings)) }
    }

    /// The definition with the origins of this test.
    fn applied(&self, mut definition: Definition) -> Definition {
        if !self.origins.is_empty() {
            definition.browser_origins.clone_from(&self.origins);
        }
        definition
    }
}

/// A test that is under way, in a task of its own. It goes on to its end when nobody listens any more, so that it can take away what it left.
#[derive(Debug)]
pub struct Testing {
    checks: UnboundedReceiver<Check>,
    task: JoinHandle<Result<Report, Error>>,
}

impl Testing {
    /// The next check that ended; `None` after the last one.
    pub async fn next(&mut self) -> Option<Check> {
        self.checks.recv().await
    }

    /// What the whole came to.
    pub async fn report(self) -> Result<Report, Error> {
        match self.task.await {
            Ok(outcome) => outcome,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::Overloaded("the service is stopping: test again in a moment")),
            },
        }
    }
}

impl App {
    /// Tests a saved resource and keeps the result.
    pub async fn test_resource(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        options: TestOptions,
    ) -> Result<Report, Error> {
        self.start_test(caller, name, environment, options).await?.report().await
    }

    /// The same, told check by check.
    pub async fn start_test(
        self: &Arc<Self>,
        caller: &Caller,
        name: &str,
        environment: &Name,
        options: TestOptions,
    ) -> Result<Testing, Error> {
        options.check()?;
        let resource = self.testable(caller, name, environment)?;
        let permit = self.admit(caller).await?;
        let (told, checks) = unbounded_channel();
        let (app, caller, environment) = (Arc::clone(self), caller.clone(), environment.clone());
        let task = self.tracker.spawn(async move {
            let _permit = permit;
            app.test_saved(&caller, &resource, &environment, &options, told).await
        });
        Ok(Testing { checks, task })
    }

    fn testable(&self, caller: &Caller, name: &str, environment: &Name) -> Result<Arc<Resource>, Error> {
        let resource = self.known_resource(caller, name)?;
        self.check_environment(&caller.project.id, &resource.record.definition, environment)?;
        Ok(resource)
    }

    async fn test_saved(
        self: &Arc<Self>,
        caller: &Caller,
        resource: &Resource,
        environment: &Name,
        options: &TestOptions,
        told: UnboundedSender<Check>,
    ) -> Result<Report, Error> {
        let definition = options.applied(resource.record.definition.in_environment(environment));
        let subject = Subject::of(&resource.record, &definition, environment);
        let report = self.report(caller, &subject, options, Some(told)).await;
        let now = self.clock.now_ms();
        self.store.keep_test(&resource.record.id, environment.as_str(), &report, now).await?;
        let mut event = audit::event(caller, "resource.test", resource.name().as_str(), now);
        report.verdict.as_str().clone_into(&mut event.outcome);
        self.audit.note(event).await;
        Ok(report)
    }

    /// Tests a definition that is not saved. A stored key cannot be used this way: it must be typed.
    pub async fn test_definition(
        self: &Arc<Self>,
        caller: &Caller,
        body: Value,
        environment: &Name,
        options: TestOptions,
    ) -> Result<Report, Error> {
        self.start_definition_test(caller, body, environment, options).await?.report().await
    }

    /// The same, told check by check.
    pub async fn start_definition_test(
        self: &Arc<Self>,
        caller: &Caller,
        body: Value,
        environment: &Name,
        options: TestOptions,
    ) -> Result<Testing, Error> {
        options.check()?;
        let (definition, literals) = self.unsaved_test(caller, body, environment)?;
        let definition = options.applied(definition);
        let permit = self.admit(caller).await?;
        let (told, checks) = unbounded_channel();
        let (app, caller, environment) = (Arc::clone(self), caller.clone(), environment.clone());
        let task = self.tracker.spawn(async move {
            let _permit = permit;
            app.test_unsaved(&caller, &definition, &literals, &environment, &options, told).await
        });
        Ok(Testing { checks, task })
    }

    fn unsaved_test(
        &self,
        caller: &Caller,
        body: Value,
        environment: &Name,
    ) -> Result<(Definition, Literals), Error> {
        let (definition, literals) = read_definition(body)?;
        self.check_environment(&caller.project.id, &definition, environment)?;
        Ok((definition.in_environment(environment), literals))
    }

    async fn test_unsaved(
        self: &Arc<Self>,
        caller: &Caller,
        definition: &Definition,
        literals: &Literals,
        environment: &Name,
        options: &TestOptions,
        told: UnboundedSender<Check>,
    ) -> Result<Report, Error> {
        let subject = Subject { definition, literals, project_id: &caller.project.id, environment };
        let report = self.report(caller, &subject, options, Some(told)).await;
        let mut event = audit::event(caller, "resource.test", definition.name.as_str(), self.clock.now_ms());
        report.verdict.as_str().clone_into(&mut event.outcome);
        event.detail = Some("an unsaved definition".to_owned());
        self.audit.note(event).await;
        Ok(report)
    }

    /// Kept results, newest first.
    pub async fn tests(&self, caller: &Caller, name: &str, limit: i64) -> Result<Vec<TestRow>, Error> {
        let resource = self.known_resource(caller, name)?;
        Ok(self.store.tests(&resource.record.id, limit.clamp(1, 100)).await?)
    }
}
